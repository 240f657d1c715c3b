"""Forking a run: a new run that goes on from a checkpoint of another one, with other settings.

The fork is built under a hidden name and renamed once it is whole, so nothing half-made is ever seen; it shares nothing
with its parent that either could change, so either may be deleted. Its engine simply resumes: the first step is the one
after the checkpoint, with the learning rate that the schedule gives for that step and the fork's own max_steps.
"""

import os
import shutil
from pathlib import Path

from engine.config import RunConfig
from engine.config_io import config_diff, dump_config, spelled_out
from engine.errors import CheckpointError, ConfigError, Problem
from engine.runs.checkpoints import checkpoint_name, saved_steps
from engine.runs.draft import draft_run
from engine.runs.durable import fsync_dir, fsync_file, verify_directory, write_atomic
from engine.runs.imported import refuse_imported
from engine.runs.launch import Launched, start_prepared, start_run
from engine.runs.lineage import Origin, read_origin, write_origin
from engine.runs.paths import RunPaths, open_run, read_config
from engine.runs.process import started_in
from engine.runs.reward_copies import pin_rewards

# What the tensors of a checkpoint are: the same numbers in another model, shape, scale or format are another policy.
FIXED = ("model.source", "model.adapter", "model.lora_rank", "model.lora_alpha", "model.dtype")
OF_LORA = ("model.lora_rank", "model.lora_alpha")


def fork_run(root: Path, parent_id: str, step: int, config: RunConfig) -> Launched:
    """Make a run that goes on with `config` after `step` of another one, and start it; or find its live twin.

    Step 0, the beginning, makes a clone. Raises ConfigError naming each setting that a fork cannot have,
    CheckpointError when the parent has no whole checkpoint of that step, LabError when it was imported, and what
    start_run raises.
    """
    parent = open_run(root, parent_id)
    refuse_imported(parent)
    before = read_config(parent)
    if problems := fork_problems(before, config, step):
        raise ConfigError(problems)
    changed = changed_settings(before, config)
    if step == 0:
        return start_run(root, config, Origin("clone", parent_id, 0, before.name, changed))
    pinned = pin_rewards(config, cwd=started_in(parent), parent=parent)
    with draft_run(root, "fork") as draft:
        _take_checkpoint(parent, step, draft)
        if parent.start.is_dir():
            _take_folder(parent.start, draft.start)
        changed = tuple(dict.fromkeys((*_changed_before(parent, step), *changed)))
        write_origin(draft.origin, Origin("fork", parent_id, step, before.name, changed))
        pinned.write(draft)
        write_atomic(draft.config, dump_config(pinned.config).encode())
        return start_prepared(root, draft, config.name, started_in(parent))


def fork_problems(parent: RunConfig, config: RunConfig, step: int) -> list[Problem]:
    """What keeps `config` from going on after `step` of a run with the settings `parent`. Step 0 keeps nothing."""
    if step == 0:
        return []
    problems = [
        Problem(field, f"{_shown(new)} cannot go on from a checkpoint of {_shown(old)}.", _hint(old))
        for field, old, new in config_diff(parent, config)
        if field in FIXED and not (field in OF_LORA and config.model.adapter == parent.model.adapter == "full")
    ]
    if config.optim.max_steps <= step:
        problems.append(
            Problem(
                "optim.max_steps",
                f"{config.optim.max_steps:,} is not more than {step:,}, the step that the fork starts from.",
                f"Steps are counted on from the parent's: set it above {step:,}.",
            )
        )
    return problems


def changed_settings(parent: RunConfig, config: RunConfig) -> tuple[str, ...]:
    """The dotted settings that differ, the name left out: what origin.json keeps."""
    differences = config_diff(spelled_out(parent), spelled_out(config))
    return tuple(field for field, _, _ in differences if field != "name")


def _changed_before(parent: RunPaths, step: int) -> tuple[str, ...]:
    """What a parent that is itself a fork changed, where the checkpoint is still its own parent's."""
    origin = read_origin(parent)
    return origin.changed if origin is not None and origin.kind == "fork" and origin.step == step else ()


def _take_checkpoint(parent: RunPaths, step: int, draft: RunPaths) -> None:
    """Bring the parent's checkpoint of this step into the draft."""
    source, target = parent.checkpoints / checkpoint_name(step), draft.checkpoints / checkpoint_name(step)
    if not source.is_dir():
        kept = ", ".join(f"{saved:,}" for saved in saved_steps(parent).steps) or "none"
        raise CheckpointError(f"{parent.run_id} has no checkpoint of step {step:,}.", hint=f"Kept are: {kept}.")
    try:
        _take_folder(source, target)
    except FileNotFoundError as error:  # the engine of the parent deletes old checkpoints
        raise CheckpointError(f"{source} was deleted while it was read.", hint="Choose a newer one.") from error
    for directory in (draft.checkpoints, draft.root):
        fsync_dir(directory)


def _take_folder(source: Path, target: Path) -> None:
    """Bring a committed folder into the draft, and compare it there with its manifest."""
    for path in [path for path in source.rglob("*") if path.is_file()]:
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        _link_or_copy(path.resolve(), copy)
    verify_directory(target)
    fsync_dir(target)


def _link_or_copy(source: Path, target: Path) -> None:
    """A second name for the same file, or a copy where the file system has none.

    The files of a checkpoint are written once and then only renamed or deleted, so neither run sees what the other
    does.
    """
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
        fsync_file(target)


def _shown(value: object) -> str:
    return repr(value)[:60]


def _hint(old: object) -> str:
    return f"Leave it at {_shown(old)}, or clone the run to train from the beginning."
