"""Which checkpoints there are to fork from, read off the folder names."""

from pathlib import Path

import pytest

from engine.runs.best import Best, write_best
from engine.runs.checkpoints import Saved, saved_steps
from engine.runs.paths import RunPaths


def saved(tmp_path: Path, *names: str) -> Saved:
    paths = RunPaths(tmp_path)
    for name in names:
        (paths.checkpoints / name).mkdir(parents=True)
    return saved_steps(paths)


def test_only_what_the_engine_names_so_counts(tmp_path: Path) -> None:
    names = ("step-000050", "step-000005", "step-1000000", ".tmp-000060-7", "step-000050-best", "step-" + "9" * 30)
    assert saved(tmp_path, *names).steps == (5, 50, 1_000_000)


def test_a_run_without_a_folder_or_with_a_file_in_its_place_has_none(tmp_path: Path) -> None:
    assert saved_steps(RunPaths(tmp_path)) == Saved((), None)
    (tmp_path / "checkpoints").write_text("")
    assert saved_steps(RunPaths(tmp_path)) == Saved((), None)


def test_the_best_is_named_while_its_checkpoint_is_there(tmp_path: Path) -> None:
    saved(tmp_path, "step-000005", "step-000010")
    best = Best(5, "pass_at_1", 0.75)
    write_best(RunPaths(tmp_path).checkpoints, best)
    assert saved_steps(RunPaths(tmp_path)).best == best
    write_best(RunPaths(tmp_path).checkpoints, Best(7, "pass_at_1", 0.75))
    assert saved_steps(RunPaths(tmp_path)).best is None


@pytest.mark.parametrize(("shown", "expected"), [(None, 30), (29, 20), (20, 20), (5, 10), (99, 30)])
def test_the_nearest_is_the_newest_at_or_below_the_shown_step(shown: int | None, expected: int) -> None:
    assert Saved((10, 20, 30), None).nearest(shown) == expected
    assert Saved((), None).nearest(shown) is None
