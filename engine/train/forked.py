"""The first start of a fork: what it takes over from its parent's checkpoint, and what begins anew."""

from engine.errors import CheckpointError
from engine.grpo.entropy_control import EntropyControl
from engine.runs.lineage import Origin, read_origin
from engine.runs.paths import RunPaths
from engine.runs.records import Event
from engine.train.checkpoint import CheckpointState
from engine.train.session import Session

ENTROPY_START = ("loss.entropy_coef", "loss.use_adaptive_entropy")


def fork_of(paths: RunPaths) -> Origin | None:
    """The parent's checkpoint that this run began with; None for a run that began at step 0."""
    origin = read_origin(paths)
    return origin if origin is not None and origin.kind == "fork" else None


def lost_start(fork: Origin) -> CheckpointError:
    """A fork without a whole checkpoint cannot begin at step 0: that would be another run under its name."""
    return CheckpointError(
        f"This run goes on from step {fork.step:,} of {fork.parent}, and no checkpoint of it is whole.",
        hint="Fork the parent again, if its checkpoint is still there.",
    )


def take_over(session: Session, state: CheckpointState, fork: Origin, data: str | int) -> list[Event]:
    """Let begin anew what the changed settings ask for, in a session that holds the parent's state. What to tell of it.

    Weights, the optimizer's moments, a refreshed reference and the number of tokens are the parent's; learning rate,
    betas and weight decay are never read from a checkpoint. Other data, or the same in another order, are read from
    their first example; a coefficient of the entropy bonus that was changed begins there.
    """
    name = f" ({fork.parent_name})" if fork.parent_name else ""
    events = [Event("forked", f"Forked from {fork.parent}{name} after its step {fork.step:,}.", step=fork.step)]
    if state.environment.get("data") != data or any(_is_about_data(field) for field in fork.changed):
        session.next_example = 0
        message = (
            "The data, their split or their order are not the parent's: training begins at their first example. "
            "The parent may have trained on examples that are held out here."
        )
        events.append(Event("fork-data", message, "warning", fork.step))
    if any(field in fork.changed for field in ENTROPY_START):
        before = session.entropy_control.last_entropy
        session.entropy_control = EntropyControl(session.config.loss.entropy_coef, before)
    return events


def _is_about_data(field: str) -> bool:
    return field == "seed" or field.startswith("data.")
