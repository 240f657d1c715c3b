"""Landlock: the kernel's own access rules for an ordinary process, as a second wall behind the mounts.

https://docs.kernel.org/userspace-api/landlock.html. What the running kernel knows is asked (its "ABI"), not assumed.
"""

import os

from .kernel import syscall

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1

_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# Of the 16 rights on files, refer came with ABI 2, truncate with 3, ioctl on devices with 5.
_RIGHTS_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_MAKE_DEVICE_OR_SOCKET = 1 << 6 | 1 << 9 | 1 << 11  # character device, socket, block device
_EXECUTE, _IOCTL_DEV = 1 << 0, 1 << 15
_ON_A_FILE = 1 << 1 | _READ_FILE | 1 << 14  # write, read, truncate: what a rule on a single file may grant
_BIND_AND_CONNECT_TCP = 3  # since ABI 4
_SCOPE_ABSTRACT_UNIX_AND_SIGNALS = 3  # since ABI 6


def abi() -> int:
    """The version of Landlock that this kernel offers; 0 for none."""
    try:
        return syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def restrict(readable: list[str], writable: list[str]) -> int:
    """Only `readable` can be read, only `writable` written, TCP is closed. Returns the ABI used. Needs no_new_privs."""
    version = abi()
    if version == 0:
        return 0
    rights = _RIGHTS_OF_ABI[min(version, max(_RIGHTS_OF_ABI))]
    network = _BIND_AND_CONNECT_TCP if version >= 4 else 0
    scope = _SCOPE_ABSTRACT_UNIX_AND_SIGNALS if version >= 6 else 0
    fields = [rights] + [network] * (version >= 4) + [scope] * (version >= 6)
    ruleset = syscall(_CREATE_RULESET, b"".join(f.to_bytes(8, "little") for f in fields), 8 * len(fields), 0)
    for path in readable:
        _allow(ruleset, path, _READ_FILE | _READ_DIR)
    for path in writable:
        _allow(ruleset, path, rights & ~(_MAKE_DEVICE_OR_SOCKET | _EXECUTE | _IOCTL_DEV))
    syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return version


def _allow(ruleset: int, path: str, rights: int) -> None:
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not os.path.isdir(path):
        rights &= _ON_A_FILE
    rule = rights.to_bytes(8, "little") + beneath.to_bytes(4, "little")
    syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    os.close(beneath)
