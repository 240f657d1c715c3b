"""What the library says of one of its rewards: name, settings, range, where it runs, and examples of its values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.config_section import Section
from engine.rewards.protocol import RewardFunction

Kind = Literal["task", "format", "penalty"]
# engine: pure and bounded, in the engine process. worker: in a process that can be killed. model: in the engine, with
# a second model.
Where = Literal["engine", "worker", "model"]


@dataclass(frozen=True)
class Example:
    """One completion and what the reward gives it: shown to people, and tested.

    `params` differ from the defaults; `columns` are further columns of the row, `prompt` the prompt. `tokens` is the
    completion's length where the reward counts tokens, or its tokens where it looks at them. `others` are the other
    completions of its group. `value` is None where the reward is missing, and the mean of the steps for a reward that
    scores steps; `approx` is how exact it is.
    """

    completion: str
    value: float | None
    answer: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)
    tokens: int | tuple[int, ...] | None = None
    prompt: str = ""
    others: tuple[str, ...] = ()
    approx: float = 1e-9


@dataclass(frozen=True)
class RewardInfo:
    """One reward of the library.

    `make(params)` gives the function; None: it is in a file of the user's. `kind`: task rewards judge the answer and
    can decide right or wrong; format rewards judge the form; penalties only take away. `help` is one line,
    `explanation` the whole rule. `parse(params, completion)` is the answer that the reward reads in a completion, for
    showing. `steps`: it scores the steps of a completion, and each token is credited with those that end at or after
    it. `unavailable()` says why it cannot be used here, None when it can; `tries_machine`: it tries something out for
    that, which takes seconds.
    """

    name: str
    label: str
    help: str
    kind: Kind
    params: type[Section]
    make: Callable[[Any], RewardFunction] | None
    needs_answer: bool = True
    value_range: tuple[float, float] = (0.0, 1.0)
    parse: Callable[[Any, str], str | None] | None = None
    steps: bool = False
    explanation: str = ""
    examples: tuple[Example, ...] = ()
    where: Where = "engine"
    tries_machine: bool = False
    unavailable: Callable[[], str | None] = lambda: None
