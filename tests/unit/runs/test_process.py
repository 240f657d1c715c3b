"""A process is known by more than its number."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.runs.paths import RunPaths
from engine.runs.process import describe_process, parse_holder, read_launch, start_ticks, this_process, write_launch


def test_this_process_is_alive_and_an_impostor_with_its_number_is_not() -> None:
    me = this_process()
    assert me.pid == os.getpid() and me.is_alive()
    assert not replace(me, start_ticks=me.start_ticks - 1).is_alive()
    assert not replace(me, boot_id="another-boot").is_alive()
    assert not replace(me, host="another-host").is_alive()


def test_a_process_that_ended_is_not_alive_even_before_it_is_collected() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        known = describe_process(child.pid)
        assert known.is_alive()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is a zombie
        assert not known.is_alive()


def test_there_is_no_start_time_without_a_process() -> None:
    assert start_ticks(2**22 + 1) is None  # above the largest process number of Linux


def test_a_command_with_brackets_and_spaces_does_not_confuse_the_start_time(tmp_path: Path) -> None:
    odd = tmp_path / ") R 1 (x"
    odd.symlink_to(sys.executable)
    with subprocess.Popen([str(odd), "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        ticks, mine = start_ticks(child.pid), start_ticks(os.getpid())
        child.kill()
    assert ticks is not None and mine is not None and ticks >= mine > 1


def test_a_launch_record_comes_back(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    write_launch(paths, os.getpid(), at=5.0, argv=["python"], cwd="/here")
    launch = read_launch(paths)
    assert launch is not None
    assert (launch.process, launch.at, launch.cwd) == (this_process(), 5.0, "/here")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "7"}', '{"pid": 7, "start_ticks": 1, "boot_id": "b"}'])
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    RunPaths(tmp_path).launch.write_text(text)
    assert read_launch(RunPaths(tmp_path)) is None
    assert parse_holder(text) is None
