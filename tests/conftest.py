"""After each test: in every run that it made, what-if with the run's own settings gives the stored advantages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recompute import runs_below, wrong_advantages


@pytest.fixture(autouse=True)
def what_if_equals_the_engine(request: pytest.FixtureRequest, folders_to_check: list[Path]) -> Iterator[None]:
    """Looks at the runs below tmp_path, once the test and its other fixtures are done."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None:
        folders_to_check.remove(folder)
        check(folder)


@pytest.fixture(autouse=True, scope="session")
def folders_to_check(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Temporary folders that were made so far. Those that fixtures share among tests are looked at in the end."""
    made: list[Path] = []
    make = tmp_path_factory.mktemp

    def mktemp(basename: str, numbered: bool = True) -> Path:
        made.append(make(basename, numbered))
        return made[-1]

    tmp_path_factory.mktemp = mktemp  # type: ignore[method-assign]
    yield made
    for folder in made:
        check(folder)


def check(folder: Path) -> None:
    wrong = [line for paths in runs_below(folder) for line in wrong_advantages(paths)]
    assert not wrong, "\n".join(["What-if differs from the engine:", *wrong[:10]])
