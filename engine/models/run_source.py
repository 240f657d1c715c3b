"""A run's checkpoint as a model to start from: `run:<id>`, the newest, or `run:<id>/step-000050`. Light.

A new run starts from these weights, and has them as its reference. It copies them into its own folder before its first
step (from_run.py), so that the other run may be deleted from then on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.config import ModelConfig
from engine.errors import LabError, ModelError
from engine.runs.checkpoints import PREFIX, checkpoint_name, saved_steps
from engine.runs.imported import is_imported
from engine.runs.paths import RunPaths, list_runs, open_run, read_config, runs_root
from engine.runs.process import started_in

SCHEME = "run:"
POLICY = "policy.safetensors"  # in a checkpoint: the adapter, or all weights
MAX_RUNS = 50  # whose checkpoints are listed, the newest first


@dataclass(frozen=True)
class RunStart:
    """The policy of a run after `step`: what `model` says on top of `base`, with the tensors in `checkpoint`.

    `base` is the source of the weights that the run itself began with: a folder, where it copied those.
    """

    run_id: str
    name: str
    step: int
    checkpoint: Path
    base: str
    model: ModelConfig

    @property
    def label(self) -> str:
        return f"{self.name}, after step {self.step:,}"


@dataclass(frozen=True)
class RunChoice:
    """A run in the list of models: its checkpoint as a source, or why there is none."""

    source: str
    label: str
    reason: str = ""


def is_run_source(source: str) -> bool:
    return source.startswith(SCHEME)


def run_start(source: str) -> RunStart:
    """The checkpoint that a source names. Raises ModelError: no such run, imported, no such checkpoint."""
    run_id, _, wanted = source.removeprefix(SCHEME).partition("/")
    try:
        paths = open_run(runs_root(), run_id)
        config = read_config(paths)
    except LabError as error:
        raise ModelError(
            f"The weights of {source[:200]!r} are not here: {error.message}",
            hint="Was the run deleted? Restore it, or choose another model.",
        ) from None
    if is_imported(paths):
        raise ModelError(f"{run_id} was recorded by TRL, without its weights.", hint="Name the model folder itself.")
    step = _step(paths, wanted)
    checkpoint = paths.checkpoints / checkpoint_name(step)
    if not (checkpoint / POLICY).is_file():
        raise ModelError(f"{checkpoint} has no {POLICY}.", hint="Choose another checkpoint of the run.")
    return RunStart(run_id, config.name, step, checkpoint, _base(paths, config.model.source), config.model)


def list_run_choices() -> Iterator[RunChoice]:
    """For each run its newest checkpoint, and the best where one was kept; or why the run has none to start from."""
    try:
        runs = list_runs(runs_root())[:MAX_RUNS]
    except LabError:
        return
    for paths in runs:
        try:
            name = read_config(paths).name
        except LabError as error:
            yield RunChoice(f"{SCHEME}{paths.run_id}", paths.run_id, error.message)
        else:
            yield from _choices_of(paths, name)


def _choices_of(paths: RunPaths, name: str) -> Iterator[RunChoice]:
    source, saved = f"{SCHEME}{paths.run_id}", saved_steps(paths)
    if is_imported(paths):
        yield RunChoice(source, name, "It was recorded by TRL, without its weights.")
    elif not saved.steps:
        yield RunChoice(source, name, "The run has no checkpoint yet.")
    else:
        notes = {saved.steps[-1]: "newest"}
        if saved.best is not None:
            notes[saved.best.step] = "newest and best" if saved.best.step in notes else "best"
        for step, note in notes.items():
            yield RunChoice(f"{source}/{checkpoint_name(step)}", f"{name}, after step {step:,} ({note})")


def _step(paths: RunPaths, wanted: str) -> int:
    saved = saved_steps(paths)
    if not saved.steps:
        raise ModelError(f"{paths.run_id} has no checkpoint yet.", hint="Wait for its first one, or choose a model.")
    if not wanted:
        return saved.steps[-1]
    number = wanted.removeprefix(PREFIX)
    step = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else -1
    if step not in saved.steps:
        kept = ", ".join(f"{step:,}" for step in saved.steps)
        raise ModelError(f"{paths.run_id} has no checkpoint {wanted[:40]!r}.", hint=f"Kept are those of step {kept}.")
    return step


def _base(paths: RunPaths, source: str) -> str:
    """What the run began with: its own copy where it has one; a relative folder begins where the run was started."""
    if paths.start.is_dir():
        return str(paths.start)
    if is_run_source(source):
        raise ModelError(
            f"{paths.start} is missing, and with it the weights that {paths.run_id} started from.",
            hint="Restore the folder, or choose another model.",
        )
    there = started_in(paths) / source
    return str(there) if there.exists() else source
