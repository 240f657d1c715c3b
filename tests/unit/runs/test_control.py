"""Requests are files that appear whole and can be withdrawn."""

import os
from pathlib import Path

from engine.runs.control import clear_requests, request_stop, stop_requested
from engine.runs.paths import RunPaths


def test_a_stop_is_requested_and_withdrawn(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    clear_requests(paths)
    assert not stop_requested(paths)
    request_stop(paths)
    request_stop(paths)
    assert stop_requested(paths)
    assert [path.name for path in paths.control.iterdir()] == ["stop"]
    clear_requests(paths)
    assert not stop_requested(paths)


def test_a_request_that_was_made_after_a_moment_outlasts_the_clearing_of_older_ones(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    request_stop(paths)
    os.utime(paths.control / "stop", (1000.0, 1000.0))
    clear_requests(paths, made_before=999.0)
    assert stop_requested(paths)
    clear_requests(paths, made_before=1001.0)
    assert not stop_requested(paths)
