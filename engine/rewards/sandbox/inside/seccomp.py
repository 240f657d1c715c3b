"""The seccomp filter: system calls that are allowed, a few after a look at their arguments, and all others refused.

Classic BPF over struct seccomp_data: number at byte 0, architecture at 4, argument n (low half) at 16 + 8 n.
"""

import ctypes
import errno
import struct

from .kernel import ARM, syscall
from .syscalls import ALLOWED, LOOKED_AT

MACHINES = ("x86_64", "aarch64")  # whose system call numbers are known
_SECCOMP = 277 if ARM else 317
_SET_MODE_FILTER, _TO_ALL_THREADS = 1, 1
_ARCHITECTURE = 0xC00000B7 if ARM else 0xC000003E  # AUDIT_ARCH_AARCH64, AUDIT_ARCH_X86_64
_LOAD, _IF_EQUAL, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_CLONE_THREAD = 0x10000
_CLONE_NEW = 0x7E020000  # every namespace flag but the one for time, which clone has no bit for
_AF_UNIX = 1
_PR_NAME = (15, 16)  # set and get the name of a thread; PR_SET_PDEATHSIG among the rest would outlive a timeout
# dup, flags, record locks; not F_SETOWN (signals to others) nor F_SETPIPE_SZ (kernel memory)
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 1030)
# settings and size of a terminal (to read), bytes waiting, non-blocking, close-on-exec
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def install() -> None:
    """Filter this process and all its threads for good. Needs no_new_privs."""
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program())
    syscall(_SECCOMP, _SET_MODE_FILTER, _TO_ALL_THREADS, _Program(len(code) // 8, code))


def program() -> list[Instruction]:
    """The filter as BPF instructions."""
    simple = [number for numbers in ALLOWED.values() if (number := numbers[ARM]) is not None]
    looked_at = {name: numbers[ARM] for name, numbers in LOOKED_AT.items()}
    return [
        (_LOAD, 0, 0, 4),
        (_IF_EQUAL, 1, 0, _ARCHITECTURE),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        *(step for number in simple for step in _when(number, [(_RETURN, 0, 0, _ALLOW)])),
        *_when(looked_at["clone"], _threads_only()),
        # its flags are behind a pointer, where a filter cannot look; without it the C library uses clone
        *_when(looked_at["clone3"], [_refuse(errno.ENOSYS)]),
        *_when(looked_at["socketpair"], _argument_in(0, (_AF_UNIX,), errno.EPERM)),
        *_when(looked_at["ioctl"], _argument_in(1, _IOCTL, errno.ENOTTY)),
        *_when(looked_at["prctl"], _argument_in(0, _PR_NAME, errno.EPERM)),
        *_when(looked_at["fcntl"], _argument_in(1, _FCNTL, errno.EPERM)),
        *_when(looked_at["prlimit64"], _only_reading_limits()),
        _refuse(errno.EPERM),
    ]


def _when(number: int, steps: list[Instruction]) -> list[Instruction]:
    return [(_IF_EQUAL, 0, len(steps), number), *steps]


def _refuse(error: int) -> Instruction:
    return (_RETURN, 0, 0, 0x00050000 | error)


def _argument_in(position: int, values: tuple[int, ...], error: int) -> list[Instruction]:
    """Allow when the argument is one of these, by jumping over the rest of them and the refusal; else the error."""
    tests = [(_IF_EQUAL, len(values) - index, 0, value) for index, value in enumerate(values)]
    return [(_LOAD, 0, 0, 16 + 8 * position), *tests, _refuse(error), (_RETURN, 0, 0, _ALLOW)]


def _threads_only() -> list[Instruction]:
    return [
        (_LOAD, 0, 0, 16),
        (_IF_ANY_BIT, 2, 0, _CLONE_NEW),
        (_IF_ANY_BIT, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        _refuse(errno.EPERM),
    ]


def _only_reading_limits() -> list[Instruction]:
    """prlimit64 whose third argument, the new limit, is a null pointer: both of its halves are zero."""
    return [
        (_LOAD, 0, 0, 32),
        (_IF_EQUAL, 0, 3, 0),
        (_LOAD, 0, 0, 36),
        (_IF_EQUAL, 0, 1, 0),
        (_RETURN, 0, 0, _ALLOW),
        _refuse(errno.EPERM),
    ]
