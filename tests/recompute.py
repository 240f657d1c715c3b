"""What-if equals the engine: the advantages of a stored run, computed again from its rewards with its own settings."""

import hashlib
from pathlib import Path

import numpy as np

from engine.analysis.what_if import Settings, StoredStep, earned, stored_steps
from engine.errors import LabError
from engine.runs.imported import read_imported
from engine.runs.paths import RunPaths, read_config
from engine.runs.reader import RunReader
from engine.runs.scores import read_scores
from engine.trl.recorded_groups import EXACT

TOLERANCE = 1e-6
_KNOWN: dict[bytes, list[str]] = {}


def runs_below(folder: Path) -> list[RunPaths]:
    """The runs in a folder, at most four levels down: those with settings and a database. Not the imports
    of which it is not known how their advantages came about.
    """
    patterns = ("/".join(["*"] * depth + ["run.db"]) for depth in range(5))
    found = (RunPaths(db.parent) for pattern in patterns for db in folder.glob(pattern))
    return [paths for paths in found if paths.config.is_file() and _has_rule(paths)]


def _has_rule(paths: RunPaths) -> bool:
    imported = read_imported(paths)
    return imported is None or imported.exact


def wrong_advantages(paths: RunPaths) -> list[str]:
    """The second part of `recompute`, computed once for all copies of a run."""
    files = [paths.config, paths.imported, paths.db, paths.db.with_name(paths.db.name + "-wal")]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in files if path.is_file())).digest()
    if key not in _KNOWN:
        _KNOWN[key] = recompute(paths)[1]
    return _KNOWN[key]


def recompute(paths: RunPaths) -> tuple[int, list[str]]:
    """(stored advantages that were compared, those that differ by more than 1e-6 or, beyond 1, by that share of them).
    For an import it is 1e-3, as its page promises.

    A run that cannot be read as one has nothing to compare: tests damage runs on purpose.
    """
    try:
        config, reader = read_config(paths), RunReader(paths.db)
        scores = read_scores(reader, reader.steps(columns=())["step"].tolist())
    except LabError:
        return 0, []
    settings = Settings.of(config)
    tolerance = TOLERANCE if read_imported(paths) is None else EXACT
    parts = list(stored_steps(scores, settings.names))
    stored = scores["advantage"].to_numpy()
    compared, wrong, start = 0, list[str](), 0
    for step in parts:
        end = start + len(step.lengths)
        trained = step.trained.repeat(step.group_size)
        found = np.zeros(len(trained))
        credit = earned(step, settings)
        found[trained] = credit.advantages
        differ = _differ(found, stored[start:end], tolerance)
        wrong += [f"{paths.run_id}, step {step.step}, completion {i}: stored {stored[start + i]}, computed {found[i]}"
                  for i in np.flatnonzero(differ)]  # fmt: skip
        compared += len(found)
        if credit.tokens is not None:
            wrong += [f"{paths.run_id}, step {step.step}: tokens of completion {i}"
                      for i in _wrong_tokens(reader, step, credit.tokens)]  # fmt: skip
        start = end
    return compared, wrong


def _wrong_tokens(reader: RunReader, step: StoredStep, found: np.ndarray) -> list[int]:
    """Completions some token of which has another advantage in the store."""
    wrong = []
    for i, length in enumerate(step.lengths[: len(found)].tolist()):
        tokens = reader.tokens(step.step, i // step.group_size, i % step.group_size)
        assert tokens is not None and tokens.advantages is not None
        if _differ(found[i, :length], tokens.advantages).any():
            wrong.append(i)
    return wrong


def _differ(found: np.ndarray, stored: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    return ~(np.abs(found - stored) <= tolerance * np.maximum(1.0, np.abs(stored)))
