"""What became of the prompts of a run: each of them over its steps, and all of them as a table.

Queries of RunReader that read the index `groups_prompt` alone, and not the texts in `groups`, but for the rows that are
shown.
"""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd

from engine.runs.schema import completion_ids

# always: every completion of every group was right; never: every one was wrong; sometimes: there were both. A prompt
# is of none of these when it was right, or wrong, wherever that was decided, and was not decided everywhere.
Outcome = Literal["always", "sometimes", "never"]

PROMPT_CHARACTERS = 300  # of a prompt in the table; some have a million

_ASKED = """
SELECT prompt_id, count(*) AS times, min(step) AS first_step, max(step) AS last_step,
       avg(pass_rate) AS pass_rate, min(pass_rate) AS lowest, max(pass_rate) AS highest,
       avg(mean) AS mean, avg(kind != 'mixed') AS dead_share
FROM groups WHERE step >= :first GROUP BY prompt_id
"""
_COURSE = """
SELECT step, group_index, mean, std, kind, pass_rate, mean_length, mean_kl, discarded
FROM groups WHERE prompt_id = ? ORDER BY step, group_index
"""
# Of a group by max(step), SQLite takes the other columns from the row with that step.
_NEWEST = """
SELECT prompt_id, max(step) AS step, group_index, mean, pass_rate FROM groups
WHERE prompt_id IN (SELECT value FROM json_each(?)) AND step <= ? GROUP BY prompt_id
"""
_PASSED = """
SELECT prompt_id, sum(passed), count(passed) FROM completions CROSS JOIN groups USING (step, group_index)
WHERE passed IS NOT NULL GROUP BY prompt_id
"""
# Pass rates are of the decided completions alone. Where there is none without a verdict, and where no prompt has one
# rate in all its groups, this costs nothing: SQLite evaluates it when it first needs it.
_DECIDED = """prompt_id NOT IN (
  SELECT prompt_id FROM completions CROSS JOIN groups USING (step, group_index)
  WHERE passed IS NULL AND id >= :first_id)
"""
_OUTCOME = f"""CASE WHEN lowest = 1 THEN CASE WHEN {_DECIDED} THEN 'always' END
  WHEN highest = 0 THEN CASE WHEN {_DECIDED} THEN 'never' END WHEN lowest >= 0 THEN 'sometimes' END
"""
# The first and the newest group of each prompt, looked up for the rows that are shown alone.
_SHOWN = f"""
SELECT asked.*, newest.group_index AS group_index,
       substr(newest.prompt, 1, {PROMPT_CHARACTERS}) AS prompt, newest.pass_rate AS last_pass_rate,
       (SELECT pass_rate FROM groups WHERE prompt_id = asked.prompt_id AND step = first_step LIMIT 1) AS first_pass_rate
FROM asked JOIN groups AS newest ON newest.step = last_step AND newest.group_index = (
  SELECT group_index FROM groups WHERE prompt_id = asked.prompt_id AND step = last_step LIMIT 1)
ORDER BY times DESC, last_step DESC, asked.prompt_id
"""


@dataclass(frozen=True)
class PromptTable:
    """`rows`: of the prompts asked most often, a row each. `counts`: how many prompts there are of each outcome, those
    of none included under None.
    """

    rows: pd.DataFrame
    counts: dict[Outcome | None, int]


class _Reads(Protocol):
    """What these queries use of RunReader."""

    def snapshot(self) -> AbstractContextManager["_Reads"]: ...

    def _rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]: ...

    def _frame(self, sql: str, *arguments: Any, json_columns: tuple[str, ...] = ()) -> pd.DataFrame: ...


class PromptQueries:
    """Part of RunReader."""

    def prompt_course(self: _Reads, prompt_id: str) -> pd.DataFrame:
        """Every group of a prompt by step: step, group_index, mean, std, kind, pass_rate, mean_length, mean_kl."""
        return self._frame(_COURSE, prompt_id)

    def pass_counts(self: _Reads) -> dict[str, tuple[int, int]]:
        """(right, decided) completions of every prompt over the whole run; reads all completions."""
        return {prompt_id: (int(right), int(tried)) for prompt_id, right, tried in self._rows(_PASSED)}

    def prompts_asked(self: _Reads, prompt_ids: Sequence[str], until: int) -> pd.DataFrame:
        """The newest group up to step `until` of each of these prompts that was asked by then: prompt_id, step,
        group_index, mean, pass_rate.
        """
        return self._frame(_NEWEST, json.dumps(list(prompt_ids)), until)

    def prompt_table(self: _Reads, first_step: int, outcome: Outcome | None, most: int) -> PromptTable:
        """The prompts of the steps from `first_step` on, at most `most` of them; with `outcome` only those.

        Columns: prompt_id, times, first_step, last_step, the group_index of the newest group and its prompt; pass_rate
        over all its groups, of the first and of the last; mean reward; dead_share: the share of groups without signal.
        """
        counted = f"WITH asked AS ({_ASKED}) SELECT {_OUTCOME} AS outcome, count(*) FROM asked GROUP BY outcome"
        wanted = f"WHERE {_OUTCOME} = :outcome" if outcome else ""
        asked = f"SELECT * FROM ({_ASKED}) {wanted} ORDER BY times DESC, last_step DESC, prompt_id LIMIT :most"
        first = {"first": first_step, "first_id": completion_ids(first_step)[0]}
        with self.snapshot() as moment:
            rows = moment._frame(
                f"WITH asked AS MATERIALIZED ({asked}) {_SHOWN}", {**first, "outcome": outcome, "most": most}
            )
            return PromptTable(rows, dict(moment._rows(counted, first)))


def thinned(frame: pd.DataFrame, most: int, keep: int | None = None) -> pd.DataFrame:
    """At most `most` rows of a frame with the index 0, 1, …, evenly spaced, with the first, the last and row `keep`."""
    if len(frame) <= most:
        return frame
    spaced = set(np.linspace(0, len(frame) - 1, most - (keep is not None)).round().astype(int).tolist())
    return frame.iloc[sorted(spaced | ({keep} if keep is not None else set()))]
