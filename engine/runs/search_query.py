"""What a search asks for: a phrase and filters, checked when they are made, as JSON both ways.

`where` turns the filters into SQL over `completions`; how phrase and filters are brought together is in search.py.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from engine.errors import LabError
from engine.runs.records import FinishReason
from engine.runs.schema import PARSED_HEAD, REWARD_COLUMNS

MAX_PHRASE = 1000  # characters
MAX_NAME = 1000  # characters of a reward function, and of a parsed answer
MAX_JSON = 20_000
LARGEST = 2**31 - 1  # a step, a length

Sign = Literal["positive", "negative", "zero"]


@dataclass(frozen=True)
class SearchQuery:
    """Everything that is set must hold; None and "" ask nothing. Ranges include both ends.

    `phrase` is looked for as it stands, in capital or small letters. `reward` names the function that `reward_min`,
    `reward_max` and `reward_missing` are about; `reward_missing` without one: some function gave no value. `parsed` is
    the whole answer that the pass reward read. Raises LabError for what cannot be asked.
    """

    phrase: str = ""
    step_min: int | None = None
    step_max: int | None = None
    reward: str | None = None
    reward_min: float | None = None
    reward_max: float | None = None
    reward_missing: bool = False
    total_min: float | None = None
    total_max: float | None = None
    advantage: Sign | None = None
    length_min: int | None = None
    length_max: int | None = None
    finish_reason: FinishReason | None = None
    dead: bool | None = None
    discarded: bool | None = None
    parsed: str | None = None
    passed: bool | None = None

    def __post_init__(self) -> None:
        for name, kind in FILTER_KINDS.items():
            _check(name, getattr(self, name), kind)
            if isinstance(text := getattr(self, name), str):  # half a surrogate pair is stored as "?"
                object.__setattr__(self, name, text.encode(errors="replace").decode())
        for name in ("step", "reward", "total", "length"):
            low, high = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if low is not None and high is not None and low > high:
                raise LabError(f"{name}: from {low:,} to {high:,} holds nothing.", hint="Exchange the two bounds.")
        if self.reward is None and (self.reward_min is not None or self.reward_max is not None):
            raise LabError("A range of rewards needs the reward function that it is about.", hint="Choose one.")

    @property
    def is_empty(self) -> bool:
        """Whether it asks nothing, so that every completion is found."""
        return self == SearchQuery()

    def to_json(self) -> str:
        """What is set, as a compact JSON object."""
        unset = {f.name: f.default for f in fields(self)}
        chosen = {name: value for name, value in asdict(self).items() if value != unset[name]}
        return json.dumps(chosen, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "SearchQuery":
        """Raises LabError for what `to_json` would not write."""
        if len(text) > MAX_JSON:
            raise LabError(f"The filters have {len(text):,} characters, at most {MAX_JSON:,} are read.")
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError):
            raise LabError("The filters are not JSON.", hint="Choose them again.") from None
        if not isinstance(raw, dict):
            raise LabError("The filters are not a JSON object.", hint="Choose them again.")
        return cls.from_dict(raw)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> "SearchQuery":
        """Raises LabError for a key that is no filter, or for a value that it cannot have."""
        if unknown := raw.keys() - FILTER_KINDS.keys():
            raise LabError(
                f"There is no filter {sorted(unknown)[0][:40]!r}.", hint=f"There are {', '.join(FILTER_KINDS)}."
            )
        return cls(**raw)

    def where(self, reward_functions: Sequence[str]) -> tuple[str, list[Any]]:
        """The filters without phrase and steps as SQL over `completions`, with its values. "" when there is none.

        reward_functions: as RunReader gives them. Raises LabError for a function that the run does not have.
        """
        rewards = dict(zip(reward_functions, (f"completions.{c}" for c in REWARD_COLUMNS), strict=False))
        parts: list[tuple[str, list[Any]]] = []
        if self.reward is not None and self.reward not in rewards:
            known = ", ".join(reward_functions) or "none yet"
            raise LabError(f"This run has no reward function {self.reward[:80]!r}.", hint=f"It has {known[:500]}.")
        column = rewards[self.reward] if self.reward is not None else ""
        for name, low, high in (
            (column, self.reward_min, self.reward_max),
            ("completions.total", self.total_min, self.total_max),
            ("completions.length", self.length_min, self.length_max),
        ):
            parts += [(f"{name} >= ?", [low])] if low is not None else []
            parts += [(f"{name} <= ?", [high])] if high is not None else []
        if self.reward_missing:
            asked = [column] if column else list(rewards.values())
            parts.append((f"({' OR '.join(f'{c} IS NULL' for c in asked) or '0'})", []))
        if self.advantage is not None:
            parts.append((f"completions.advantage {_SIGNS[self.advantage]} 0", []))
        for name in ("finish_reason", "dead", "discarded", "passed"):
            if (value := getattr(self, name)) is not None:
                parts.append((f"completions.{name} = ?", [int(value) if isinstance(value, bool) else value]))
        if self.parsed is not None:
            parts.append(("completions.parsed = ?", [self.parsed[:PARSED_HEAD]]))
            if len(self.parsed) >= PARSED_HEAD:  # all of a longer answer stands beside its text
                whole = "(SELECT coalesce(t.parsed, completions.parsed) FROM texts t WHERE t.id = completions.id)"
                parts.append((f"{whole} = ?", [self.parsed]))
        return " AND ".join(sql for sql, _ in parts), [value for _, values in parts for value in values]


_SIGNS: dict[Sign, str] = {"positive": ">", "negative": "<", "zero": "="}
# Every filter, and what its value can be.
FILTER_KINDS: dict[str, str | tuple[str, ...]] = {
    "phrase": "text", "step_min": "count", "step_max": "count", "reward": "name", "reward_min": "number",
    "reward_max": "number", "reward_missing": "yes or no", "total_min": "number", "total_max": "number",
    "advantage": get_args(Sign), "length_min": "count", "length_max": "count",
    "finish_reason": get_args(FinishReason), "dead": "yes or no", "discarded": "yes or no", "parsed": "name",
    "passed": "yes or no",
}  # fmt: skip


def _check(name: str, value: Any, kind: str | tuple[str, ...]) -> None:
    """Raises LabError when a filter has a value of another kind."""
    if value is None and name not in ("phrase", "reward_missing"):
        return
    if isinstance(kind, tuple):
        fine, should = isinstance(value, str) and value in kind, f"be one of {', '.join(kind)}"
    elif kind == "yes or no":
        fine, should = isinstance(value, bool), "be true or false"
    elif kind == "count":
        whole = isinstance(value, int) and not isinstance(value, bool)
        fine, should = whole and 0 <= value <= LARGEST, f"be a whole number from 0 to {LARGEST:,}"
    elif kind == "number":
        real = isinstance(value, int | float) and not isinstance(value, bool)
        fine, should = real and abs(value) < 1e300 and math.isfinite(value), "be a number"
    else:
        limit = MAX_PHRASE if kind == "text" else MAX_NAME
        fine, should = isinstance(value, str) and len(value) <= limit, f"be text of at most {limit:,} characters"
        if isinstance(value, str) and not fine:
            raise LabError(f"{name} has {len(value):,} characters, and should {should}.", hint="Shorten it.")
    if not fine:
        raise LabError(f"{name} is {str(value)[:40]!r}, and should {should}.", hint="Correct this filter.")
