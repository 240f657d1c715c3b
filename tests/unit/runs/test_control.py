"""Requests are files that appear whole and can be withdrawn."""

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
