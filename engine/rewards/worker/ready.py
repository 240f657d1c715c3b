"""Before a run begins: do all reward files load, and does the data have the columns that they take?"""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from engine.errors import RewardError
from engine.rewards.worker.signatures import missing_words

if TYPE_CHECKING:
    from engine.rewards.score import BoundReward


def check_ready(rewards: "Sequence[BoundReward]", columns: Collection[str], waiting: Callable[[], None]) -> None:
    """Start all workers and wait for them. Raises RewardError for the first that cannot be used.

    `columns` are those of the data; `waiting` is called twice a second, and may raise.
    """
    workers = [(reward.name, reward.worker) for reward in rewards if reward.worker is not None]
    for _, worker in workers:
        worker.begin()
    for name, worker in workers:
        reason = worker.start(waiting)
        if reason is not None:
            shown = f"\n{worker.traceback}" if worker.traceback else ""
            raise RewardError(f"Reward '{name}' {reason}.{shown}", hint="Correct the file and start again.")
        missing = [column for column in worker.about.get("columns", ()) if column not in columns]
        if missing:
            function = worker.about.get("name") or "it"
            raise RewardError(
                f"Reward '{name}': {function} {missing_words(missing, columns)}.",
                hint="Rename the parameter or the column, or give the parameter a default.",
            )
