"""The filter of system calls, run by a small interpreter of classic BPF: no kernel is asked."""

import errno
import os

import pytest

from engine.rewards.sandbox.inside.kernel import ARM
from engine.rewards.sandbox.inside.seccomp import program
from engine.rewards.sandbox.inside.syscalls import ALLOWED, LOOKED_AT

HERE = 0xC00000B7 if ARM else 0xC000003E
I386 = 0x40000003
ALLOW, KILL = "allow", "kill"
CLONE_THREAD, CLONE_NEWUSER = 0x10000, 0x10000000


def verdict(number: int, *arguments: int, architecture: int = HERE) -> str:
    """What the filter says to a call: allow, kill, or the name of an error."""
    data = number.to_bytes(4, "little") + architecture.to_bytes(4, "little") + bytes(8)
    data += b"".join(argument.to_bytes(8, "little") for argument in (*arguments, *(0,) * (6 - len(arguments))))
    steps, position, loaded = program(), 0, 0
    while True:
        code, if_true, if_false, constant = steps[position]
        position += 1
        if code == 0x20:
            loaded = int.from_bytes(data[constant : constant + 4], "little")
        elif code == 0x06:
            return {0x7FFF0000: ALLOW, 0x80000000: KILL}.get(constant) or errno.errorcode[constant & 0xFFFF]
        else:
            holds = loaded == constant if code == 0x15 else bool(loaded & constant)
            position += if_true if holds else if_false


def of(name: str) -> int:
    return LOOKED_AT[name][ARM]


def test_every_call_on_the_list_is_allowed_and_no_other_is() -> None:
    listed = {numbers[ARM] for numbers in ALLOWED.values()} - {None}
    allowed = {number for number in range(600) if verdict(number) == ALLOW}
    # with all arguments zero: reading one's limits, duplicating a descriptor
    assert allowed == listed | {of("prlimit64"), of("fcntl")}


@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("clone", (CLONE_THREAD | 0x3D0F00,), ALLOW),  # what pthread_create asks for
        ("clone", (17,), "EPERM"),  # fork: SIGCHLD alone
        ("clone", (CLONE_THREAD | CLONE_NEWUSER,), "EPERM"),
        ("clone3", (1, 88), "ENOSYS"),
        ("socketpair", (1, 1), ALLOW),
        ("socketpair", (2, 1), "EPERM"),
        ("prctl", (15, 1), ALLOW),
        ("prctl", (1, 0), "EPERM"),  # PR_SET_PDEATHSIG
        ("prlimit64", (0, 9, 0, 1), ALLOW),
        ("prlimit64", (0, 9, 1), "EPERM"),
        ("prlimit64", (0, 9, 1 << 32), "EPERM"),
        ("fcntl", (1, 4, 0o4000), ALLOW),
        ("fcntl", (1, 1031, 1 << 20), "EPERM"),  # F_SETPIPE_SZ
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), "ENOTTY"),  # TIOCSTI: typing into a terminal
    ],
)
def test_arguments_decide(name: str, arguments: tuple[int, ...], wanted: str) -> None:
    assert verdict(of(name), *arguments) == wanted


def test_calls_of_another_architecture_end_the_process() -> None:
    assert verdict(20, architecture=I386) == KILL


def test_numbers_of_the_x32_interface_are_refused() -> None:
    assert verdict(0x40000000) == "EPERM"


def test_the_numbers_are_those_of_this_machine() -> None:
    assert verdict(39 if not ARM else 172) == ALLOW and os.getpid() > 0  # getpid
    assert verdict(101 if not ARM else 117) == "EPERM"  # ptrace
    assert verdict(59 if not ARM else 221) == "EPERM"  # execve
    assert verdict(41 if not ARM else 198) == "EPERM"  # socket
