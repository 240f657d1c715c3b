"""The system calls that Python 3.11 has no function for, through the C library: each raises OSError when it fails."""

import ctypes
import os

ARM = os.uname().machine == "aarch64"
_LIBC = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
MNT_DETACH = 2
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 1, 38, 47, 4

_PIVOT_ROOT, _CAPSET = (41, 91) if ARM else (155, 126)
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH = 1, 4
_CAPABILITY_VERSION_3 = 0x20080522


def syscall(number: int, *arguments: int | bytes | ctypes.Structure | None) -> int:
    """The raw system call. Integers go as machine words, bytes and structures as pointers."""
    words = [ctypes.c_long(a) if isinstance(a, int) else _pointer(a) for a in arguments]
    result: int = _LIBC.syscall(ctypes.c_long(number), *words)
    if result < 0:
        _fail()
    return result


def unshare(flags: int) -> None:
    if _LIBC.unshare(ctypes.c_int(flags)) != 0:
        _fail()


def prctl(option: int, value: int = 0, *more: int) -> None:
    words = [ctypes.c_ulong(word) for word in (value, *more, *(0,) * (3 - len(more)))]
    if _LIBC.prctl(ctypes.c_int(option), *words) != 0:
        _fail()


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """mount(2); an empty source or kind is a null pointer."""
    texts = [text.encode() or None for text in (source, target, kind)]
    if _LIBC.mount(*texts, ctypes.c_ulong(flags), options.encode() or None) != 0:
        _fail()


def unmount(target: str) -> None:
    if _LIBC.umount2(target.encode(), ctypes.c_int(MNT_DETACH)) != 0:
        _fail()


def pivot_root(new: str, old: str) -> None:
    syscall(_PIVOT_ROOT, new.encode(), old.encode())


def clone_tree(path: str) -> int:
    """A descriptor of a copy of the mounts at `path`, not attached anywhere yet (Linux 5.2)."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE
    return syscall(_OPEN_TREE, _AT_FDCWD, path.encode(), flags)


def attach_tree(tree: int, target: str) -> None:
    syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH)


def set_mount_attributes(attributes: int, *, tree: int = -1, path: str = "") -> None:
    """Add attributes to a detached tree and all below it, or to the one mount at `path` (Linux 5.12)."""
    wanted = attributes.to_bytes(8, "little") + bytes(24)
    flags = _AT_EMPTY_PATH | _AT_RECURSIVE if tree >= 0 else 0
    syscall(_MOUNT_SETATTR, tree if tree >= 0 else _AT_FDCWD, path.encode(), flags, wanted, len(wanted))


def drop_capabilities() -> None:
    """No capability is left, in no set; with no_new_privs none can come back."""
    try:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    finally:
        header = _CAPABILITY_VERSION_3.to_bytes(4, "little") + bytes(4)
        syscall(_CAPSET, header, bytes(24))


def _pointer(value: bytes | ctypes.Structure | None) -> object:
    return ctypes.byref(value) if isinstance(value, ctypes.Structure) else value


def _fail() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
