"""What the completions of many steps scored, in one query and without their texts: for numbers about a whole run."""

import json
from collections.abc import Sequence

import pandas as pd

from engine.runs.reader import RunReader
from engine.runs.schema import REWARD_COLUMNS, completion_ids

COLUMNS = ("step", "group_index", "length", "finish_reason", "advantage")


def read_scores(reader: RunReader, steps: Sequence[int]) -> pd.DataFrame:
    """The completions of these steps in the order of sampling; steps that are not stored have no rows.

    Columns: those above, discarded ("yes" or None), steps as a dict (of rewards that score steps), and "rewards/<name>"
    for each reward function, NaN where missing. Raises StoreError when the store cannot be read.
    """
    with reader.snapshot() as moment:
        rewards = dict(zip(REWARD_COLUMNS, moment.reward_functions(), strict=False))
        numbers = ", ".join(f"c.{name}" for name in (*COLUMNS, *rewards))
        frame = moment._frame(
            # CROSS JOIN: for each range of keys its completions, and never the other way round
            f"SELECT {numbers}, CASE WHEN c.discarded THEN 'yes' END AS discarded, texts.steps "
            "FROM json_each(?) AS wanted CROSS JOIN completions AS c ON c.id "
            "BETWEEN json_extract(wanted.value, '$[0]') AND json_extract(wanted.value, '$[1]') "
            "JOIN texts ON texts.id = c.id ORDER BY c.id",
            json.dumps([completion_ids(step) for step in steps]), json_columns=("steps",),
        )  # fmt: skip
    return frame.rename(columns={column: f"rewards/{name}" for column, name in rewards.items()})
