"""Asks a child process what a reward file holds. The child can be ended at any time; the caller runs nothing of it."""

import time
from pathlib import Path

from engine.errors import RewardError
from engine.rewards.worker.describe import from_wire
from engine.rewards.worker.files import read_reward_file
from engine.rewards.worker.process import Ended, TimeOut, WorkerProcess
from engine.rewards.worker.types import DescribeTarget, FileInfo, Limits
from engine.rewards.worker.wire import Unreadable, decode


def describe_file(path: Path, *, limits: Limits | None = None) -> FileInfo:
    """The callables of a reward file, what each takes, and warnings; or the problem with it.

    Never raises for what the file is or does: `problem` says it.
    """
    limits = limits or Limits(start_s=20.0)
    try:
        read_reward_file(path)
    except RewardError as error:
        return FileInfo(problem=str(error))
    process = WorkerProcess(DescribeTarget(path, path.name), limits)
    try:
        answer = decode(process.line(time.monotonic() + limits.start_s, time.monotonic))
        return from_wire({**answer["ready"], "output": process.take_output()})
    except TimeOut:
        return FileInfo(problem=f"{path.name} took longer than {limits.start_s:g} s to load.")
    except Ended as error:
        return FileInfo(problem=f"{path.name} cannot be loaded: it {error}.")
    except (*Unreadable, TypeError, KeyError):
        return FileInfo(problem=f"{path.name} cannot be loaded: it wrote into the pipe of its worker.")
    finally:
        process.close()
