"""Makes a run of ours from one that TRL recorded: read through once to know it, once more to write it.

It is built under a hidden name and renamed once it is whole, so a failed import leaves nothing. The engine's own writer
writes it, a transaction a step.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.config import LossConfig, RunConfig
from engine.config_io import dump_config, parse_recorded
from engine.errors import DatasetError, LabError
from engine.runs.draft import draft_run
from engine.runs.durable import fsync_dir, write_atomic
from engine.runs.imported import NOT_RECORDED, Imported, read_imported, write_imported
from engine.runs.launch import launch_lock
from engine.runs.lineage import Origin, write_origin
from engine.runs.paths import RunPaths, list_runs, new_run_id
from engine.runs.records import Event
from engine.runs.store import StoreWriter
from engine.trl.config import import_trl
from engine.trl.recorded import Recording, evaluation_record
from engine.trl.recorded_clock import Clock, clock_of
from engine.trl.recorded_files import Layout, base_model, find_layout
from engine.trl.recorded_groups import MIN_SIZE
from engine.trl.recorded_scan import Found, scan

MOST_PROMPTS = 1024  # as rollout.prompts_per_step
BLOCK = 2**20
NAME_LENGTH = 80


class AlreadyImported(LabError):
    """The same files are a run already."""

    def __init__(self, run_id: str, folder: Path) -> None:
        super().__init__(f"{folder} is the run {run_id} already.", hint="To have it twice, import once more (--again).")
        self.run_id = run_id


@dataclass(frozen=True)
class Report:
    """The run that was made, and sentences on what is in it and what is not."""

    run_id: str
    notes: tuple[str, ...]
    missing: tuple[str, ...]


def import_run(
    root: Path, folder: str | Path, *, name: str = "", config: Mapping[str, Any] | None = None, again: bool = False
) -> Report:
    """Import the run in an output folder of TRL. config: TRL's config of it, if it is at hand, as a mapping.

    Raises DatasetError for files that cannot be used, ConfigError for a config that is not of this run, AlreadyImported
    unless a second run is asked for by `again`, and LabError for a disk that cannot be written.
    """
    layout = find_layout(folder)
    fingerprint = fingerprint_of(layout, config)
    if not again and (twin := _twin(root, fingerprint)) is not None:
        raise AlreadyImported(twin, layout.folder)
    theirs = dict(config or {})
    loss = LossConfig.model_validate(import_trl(theirs, _base()).settings["loss"]) if theirs else None
    found = scan(layout, weights=_weights(theirs), size=_size(theirs), loss=loss)
    settings = config_of(found.recording, theirs, name)
    clock = clock_of(layout, found.recording)
    source = layout.folder.name.encode(errors="replace").decode()  # a name may have bytes that are no text
    imported = Imported(
        source, fingerprint, bool(theirs), found.recording.rule is not None,
        (*found.notes, clock.words), found.missing,
    )  # fmt: skip
    with draft_run(root, "import") as draft:
        _write(draft, found, clock, imported)
        write_origin(draft.origin, Origin("import", source, 0, source))
        write_imported(draft, imported)
        write_atomic(draft.config, dump_config(settings).encode())
        run_id = _publish(root, draft, settings.name)
    return Report(run_id, imported.notes, imported.missing)


def fingerprint_of(layout: Layout, config: Mapping[str, Any] | None) -> str:
    """Equal for the same files with the same config, wherever the folder stands and whatever it is called."""
    sha = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    try:
        for path in (*layout.completions, *([layout.state] if layout.state is not None else [])):
            content = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    content.update(block)
            sha.update(f"{path.name}\0{content.hexdigest()}\0".encode(errors="replace"))
    except OSError as error:
        raise DatasetError(f"{error.filename} cannot be read ({error.strerror}).", hint="Check the folder.") from error
    return sha.hexdigest()


def config_of(recording: Recording, theirs: Mapping[str, Any], name: str) -> RunConfig:
    """What is known of a run's settings; everything else has the value of TRL's config, or of nobody: our default.

    Raises ConfigError when TRL's config cannot be used, or the run is larger than a run of ours may be.
    """
    settings = import_trl(theirs, _base()).settings if theirs else _base()
    folder = "".join(c for c in recording.layout.folder.name if c.isprintable())[:NAME_LENGTH].strip()
    settings["name"] = name.strip() or (settings["name"] if settings["name"] != NOT_RECORDED else folder) or "TRL run"
    if settings["model"]["source"] == NOT_RECORDED and (model := base_model(recording.layout)) is not None:
        settings["model"]["source"] = model
    settings["rewards"] = [
        {"name": function, "weight": float(weight)}
        for function, weight in zip(recording.functions, recording.weights, strict=True)
    ]
    steps = recording.steps
    last = max(steps[-1], recording.log.max_steps if recording.log is not None else 0)
    settings.setdefault("optim", {})["max_steps"] = last
    if recording.size is not None:
        sizes = {"num_generations": recording.size, "prompts_per_step": min(recording.per_step, MOST_PROMPTS)}
        settings.setdefault("rollout", {}).update(sizes)
    if recording.rule is not None:
        settings.setdefault("loss", {}).update(recording.rule.as_settings())
    return parse_recorded(settings)


def _base() -> dict[str, Any]:
    return {
        "name": NOT_RECORDED, "model": {"source": NOT_RECORDED}, "data": {"source": NOT_RECORDED},
        "rewards": [{"name": NOT_RECORDED, "weight": 1.0}],
    }  # fmt: skip


def _weights(theirs: Mapping[str, Any]) -> list[float] | None:
    """reward_weights, which import_trl has checked."""
    weights = theirs.get("reward_weights")
    return [float(weight) for weight in weights] if isinstance(weights, list) else None


def _size(theirs: Mapping[str, Any]) -> int | None:
    size = theirs.get("num_generations")
    return size if type(size) is int and size >= MIN_SIZE else None


def _twin(root: Path, fingerprint: str) -> str | None:
    """The run that was imported from the same files."""
    for paths in list_runs(root):
        found = read_imported(paths)
        if found is not None and found.fingerprint == fingerprint:
            return paths.run_id
    return None


def _write(draft: RunPaths, found: Found, clock: Clock, imported: Imported) -> None:
    recording = found.recording
    now = [clock.started_at]
    store = StoreWriter(draft.db, clock=lambda: now[0])
    try:
        store.begin_attempt(0, {"recorded_by": "TRL"})
        store.add_event(Event("imported", f"Imported from the folder {imported.source}, recorded by TRL."))
        for note in (*imported.notes, *imported.missing):
            store.add_event(Event("imported", note))
        evaluations = dict(found.eval_sizes)
        for record in recording.records():
            now[0] = clock.at(record.step)
            store.commit_step(record)
        for step, size in sorted(evaluations.items()):
            now[0] = clock.at(step)
            record_of = evaluation_record(recording.log, step, size) if recording.log is not None else None
            if record_of is not None:
                store.add_evaluation(record_of)
        now[0] = clock.ended_at
        store.end_attempt("finished", "Recorded by TRL.")
    finally:
        store.close()


def _publish(root: Path, draft: RunPaths, name: str) -> str:
    with launch_lock(root):
        draft.lock.unlink(missing_ok=True)
        run_id = new_run_id(name, datetime.now())
        fsync_dir(draft.root)
        os.rename(draft.root, root / run_id)
        fsync_dir(root)
    return run_id
