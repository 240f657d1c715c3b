"""How often each prompt was answered right: read from the file of a pre-flight, or from the store of a run."""

from pathlib import Path
from typing import Any

from engine.data.table import fail
from engine.errors import LabError
from engine.runs.durable import read_small_json

FILE = "pass_rates.json"
MAX_BYTES = 64 * 2**20
FIELD = "data.pass_rates"

PassRates = dict[str, tuple[int, int]]  # id of an example → (right, tried) completions


def read_pass_rates(source: str) -> PassRates:
    """The pass rates of a file {"ids": {id: [right, tried]}}, or of a run: its pass_rates.json, else its store.

    Raises DatasetError when there are none, or they are no pass rates.
    """
    try:
        path = Path(source).expanduser()
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError, RuntimeError):
        is_folder = exists = False
    if not exists:
        fail(f"There are no pass rates at {source[:200]!r}.", "Name a pass_rates.json, or a run's folder.", FIELD)
    if is_folder and not (path / FILE).exists():
        return _of_run(path)
    return _of_file(path / FILE if is_folder else path)


def expected_rate(counts: tuple[int, int] | None) -> float:
    """The pass rate to expect, (right + 1) / (tried + 2): 1/2 when nothing is known. Laplace's rule of succession."""
    right, tried = counts or (0, 0)
    return (right + 1) / (tried + 2)


def _of_file(path: Path) -> PassRates:
    content = read_small_json(path, MAX_BYTES)
    ids = content.get("ids") if isinstance(content, dict) else None
    if not isinstance(ids, dict):
        fail(f"{path.name} holds no pass rates.", 'It should be JSON: {"ids": {example id: [right, tried]}}.', FIELD)
    wrong = next((name for name, counts in ids.items() if not _is_counts(counts)), None)
    if wrong is not None:
        fail(f"{path.name}: the pass rate of '{wrong[:40]}' is not [right, tried].", "Measure it again.", FIELD)
    return {name: (counts[0], counts[1]) for name, counts in ids.items()}


def _is_counts(counts: Any) -> bool:
    return (
        isinstance(counts, list) and len(counts) == 2
        and all(isinstance(count, int) and not isinstance(count, bool) for count in counts)
        and 0 <= counts[0] <= counts[1] and counts[1] > 0
    )  # fmt: skip


def _of_run(folder: Path) -> PassRates:
    from engine.runs.reader import RunReader  # here, because only this way to pass rates needs pandas

    try:
        rates: PassRates = RunReader(folder / "run.db").pass_counts()
    except LabError as error:
        fail(f"{folder.name} has no pass rates: {error.message}", "Name a pass_rates.json, or a run's folder.", FIELD)
    if not rates:
        fail(f"{folder.name} has no completion that was judged right or wrong yet.", "Wait for its first step.", FIELD)
    return rates
