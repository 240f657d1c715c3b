"""What a pre-flight found: preflight.json, written by the child process and read by pages and the terminal. Light."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from engine.analysis.forecast import Forecast
from engine.errors import StoreError
from engine.runs.durable import write_atomic
from engine.runs.records import GroupKind

MAX_BYTES = 16 * 2**20
MAX_PROMPT = 300  # characters of a prompt that are kept here; run.db has all of it

Phase = Literal["loading", "rollout", "reward", "update"]


@dataclass(frozen=True)
class PromptResult:
    """One prompt: how many of the completions that are decided are right, and how many different texts there are.

    `totals` has the total reward of each completion, None where it is missing. `right` is None when nothing decides.
    """

    id: str
    prompt: str
    totals: tuple[float | None, ...]
    right: int | None
    tried: int
    distinct: int
    kind: GroupKind


@dataclass(frozen=True)
class RewardResult:
    """One reward function: mean of its values, and why values are missing, most frequent reason first."""

    name: str
    weight: float
    mean: float | None
    missing: int
    reasons: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Costs:
    """What a step costs on this machine. Seconds are those of one step of the run; `loading` comes once.

    `measured_prompts`: how many prompts seconds were measured on; when a step has more, they were scaled. The update
    is measured on all prompts, and always scaled. memory: peak of the process in bytes in each phase, of GPU memory
    where one is used.
    """

    seconds: Mapping[Phase, float]
    measured_prompts: int
    memory: Mapping[Phase, int]
    device: str

    @property
    def step_seconds(self) -> float:
        return sum(self.seconds[phase] for phase in ("rollout", "reward", "update"))

    @property
    def peak_bytes(self) -> int:
        return max(self.memory.values())


@dataclass(frozen=True)
class Preflight:
    """A finished pre-flight of P prompts with G completions each.

    `truncated` counts completions that were cut at `limit` tokens. `pass_reward` names what decides right or wrong.
    """

    prompts: tuple[PromptResult, ...]
    rewards: tuple[RewardResult, ...]
    group_size: int
    prompts_per_step: int
    temperature: float
    truncated: int
    limit: int
    mean_length: float
    pass_reward: str | None
    costs: Costs
    forecast: Forecast | None

    @property
    def completions(self) -> int:
        return len(self.prompts) * self.group_size

    @property
    def pass_rate(self) -> float | None:
        """Share of the decided completions that are right; None when none is decided."""
        tried = sum(prompt.tried for prompt in self.prompts if prompt.right is not None)
        return sum(prompt.right or 0 for prompt in self.prompts) / tried if tried else None

    @property
    def dead_share(self) -> float:
        """Share of the sampled groups that carry no signal."""
        return sum(prompt.kind != "mixed" for prompt in self.prompts) / len(self.prompts)


_adapter = TypeAdapter(Preflight)


def write_result(path: Path, result: Preflight) -> None:
    write_atomic(path, _adapter.dump_json(result, indent=1) + b"\n")


def read_result(path: Path) -> Preflight:
    """Raises StoreError when the file is not there or is not what write_result writes."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        return _adapter.validate_json(data)
    except (OSError, ValueError) as error:
        why = f"{error.error_count()} fields are not right" if isinstance(error, ValidationError) else str(error)
        raise StoreError(f"{path} cannot be read: {why}.", hint="Run the pre-flight again.") from error
