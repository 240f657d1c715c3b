"""Calls a function by its own convention with what TRL's call has. Inside the worker; answers go out row by row.

A batch function is called once; the others once for each completion, so that one which hangs costs its own value alone.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from engine.rewards.protocol import MISSING, completion_text
from engine.rewards.worker import values
from engine.rewards.worker.raised import Raised, place, raised_by
from engine.rewards.worker.signatures import GIVEN, PASSED, REFERENCE, missing_words
from engine.rewards.worker.types import CallableInfo
from engine.rewards.worker.values import Logged, Value

MAX_TRACEBACKS = 3
Emit = Callable[[int, Value], None]  # (row, value)
Call = Mapping[str, Any]


@dataclass
class Outcome:
    """What a call leaves behind besides its values. `failed` says why none of a batch has one."""

    failed: str | None = None
    extras: dict[str, list[Any]] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    tracebacks: dict[str, str] = field(default_factory=dict)

    def take(self, logged: Logged) -> None:
        self.metrics, self.refused = logged.means(), logged.refused

    def note(self, error: BaseException, shown: str) -> str:
        """The reason in one line; the first few different tracebacks are kept."""
        raised = raised_by(error, shown)
        if raised.traceback and len(self.tracebacks) < MAX_TRACEBACKS:
            self.tracebacks.setdefault(place(raised.traceback), raised.traceback)
        return raised.reason


@dataclass
class Adapted:
    """A function of a reward file with its convention. `loop` is one for all calls: clients of it may be kept."""

    function: Callable[..., Any]
    info: CallableInfo
    shown: str
    timeout_s: float
    loop: Any = None

    def call(self, call: Call, rows: int, emit: Emit, *, serial: bool) -> Outcome:
        """`serial`: one completion after another also where the function is async."""
        columns = {name: column for name, column in call.items() if name not in PASSED}
        if absent := [name for name in self.info.columns if name not in columns]:
            return Outcome(missing_words(absent, columns))
        if self.info.convention == "trl":
            return self._batch(call, columns, rows, emit)
        outcome, logged = Outcome(), Logged()
        if self.info.is_async and not serial:
            self._run(self._all_rows(call, columns, rows, emit, outcome, logged))
        else:
            for row in range(rows):
                emit(row, self._row(call, columns, row, outcome, logged))
        outcome.take(logged)
        return outcome

    def _batch(self, call: Call, columns: Call, rows: int, emit: Emit) -> Outcome:
        outcome, logged = Outcome(), Logged()
        extras: dict[str, Any] = {}
        given = {
            **{name: call.get(name) for name in ("prompts", "completions", "completion_ids")},
            **columns, "trainer_state": _state(call),
            "log_extra": extras.__setitem__, "log_metric": logged.log,
        }  # fmt: skip
        if not self.info.reads_all:
            wanted = {*inspect.signature(self.function).parameters}
            given = {name: value for name, value in given.items() if name in wanted}
        try:
            found, outcome.failed = values.batch(self._finish(self.function(**given)), rows)
        except BaseException as error:  # SystemExit too: a reward cannot end its worker so
            found, outcome.failed = [], outcome.note(error, self.shown)
        outcome.extras = values.extras(extras, rows)
        outcome.take(logged)
        for row, value in enumerate(found):
            emit(row, value)
        return outcome

    def _row(self, call: Call, columns: Call, row: int, outcome: Outcome, logged: Logged) -> Value:
        try:
            return self._value(self._finish(self._call_row(call, columns, row, logged)), logged)
        except BaseException as error:
            return None, outcome.note(error, self.shown)

    async def _all_rows(
        self, call: Call, columns: Call, rows: int, emit: Emit, outcome: Outcome, logged: Logged
    ) -> None:
        import asyncio  # not above: most functions need none, and it is half of what a worker has to load

        async def one(row: int) -> None:
            try:
                result = await self._limited(self._call_row(call, columns, row, logged))
                value = self._value(result, logged)
            except BaseException as error:
                value = None, outcome.note(error, self.shown)
            emit(row, value)

        await asyncio.gather(*(one(row) for row in range(rows)))

    def _call_row(self, call: Call, columns: Call, row: int, logged: Logged) -> Any:
        if self.info.convention == "verl":
            arguments = _verl_arguments(call, columns, row)
            if not self.info.reads_all:
                wanted = inspect.signature(self.function).parameters
                arguments = {name: value for name, value in arguments.items() if name in wanted}
            return self.function(**arguments)
        positional, keywords = self._single_arguments(call, columns, row, logged)
        return self.function(*positional, **keywords)

    def _single_arguments(
        self, call: Call, columns: Call, row: int, logged: Logged
    ) -> tuple[list[Any], dict[str, Any]]:
        positional, keywords = [], {}
        parameters = inspect.signature(self.function).parameters
        for name, parameter in parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            known, value = self._single_value(name, call, columns, row, logged)
            if not known and parameter.default is not parameter.empty:
                continue
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(value)
            else:
                keywords[name] = value
        if self.info.reads_all:
            rest = {name: column[row] for name, column in columns.items() if name not in parameters}
            keywords = {**rest, **keywords}
        return positional, keywords

    def _single_value(self, name: str, call: Call, columns: Call, row: int, logged: Logged) -> tuple[bool, Any]:
        """Whether there is a value for this parameter, and which."""
        if name == self.info.completion:
            return True, completion_text(call["completions"][row])
        if name in columns:
            return True, columns[name][row]
        if name in GIVEN:
            given = {"prompt": _prompt_text(call, row), "trainer_state": _state(call), "log_metric": logged.log}
            return True, given.get(name, lambda *_: None)
        if name in REFERENCE and "answer" in columns:
            return True, columns["answer"][row]
        return False, None

    def _value(self, result: Any, logged: Logged) -> Value:
        if self.info.convention == "verl":
            result, more = values.score_of(result)
            logged.add(more)
        return values.number(result)

    def _finish(self, result: Any) -> Any:
        return self._run(self._limited(result)) if inspect.isawaitable(result) else result

    async def _limited(self, result: Any) -> Any:
        if not inspect.isawaitable(result):
            return result
        import asyncio

        try:
            async with asyncio.timeout(self.timeout_s):
                return await result
        except TimeoutError as error:
            if isinstance(error.__context__, asyncio.CancelledError):
                raise Raised(f"took longer than {self.timeout_s:g} s") from None
            raise

    def _run(self, coroutine: Any) -> Any:
        import asyncio

        if self.loop is None or self.loop.is_closed():
            self.loop = asyncio.new_event_loop()
        return self.loop.run_until_complete(coroutine)


@dataclass
class LibraryAdapted:
    """A reward of the library: TRL's convention, called with one completion at a time."""

    function: Callable[..., Any]
    shown: str

    def call(self, call: Call, rows: int, emit: Emit, *, serial: bool) -> Outcome:
        outcome, logged = Outcome(), Logged()
        missing: list[str | None] = []
        for row in range(rows):
            extra: dict[str, list[Any]] = {}
            one = {name: column[row : row + 1] for name, column in call.items() if name != "trainer_state"}
            try:
                result = self.function(
                    **one, trainer_state=_state(call), log_extra=extra.__setitem__, log_metric=logged.log
                )
                told = next(iter(extra.get(MISSING, [])), None)
                number, reason = values.number(result[0])
                value = number, reason and (told or reason)
            except BaseException as error:
                value = None, outcome.note(error, self.shown)
            missing.append(next(iter(extra.get(MISSING, [])), None))
            emit(row, value)
        outcome.extras = {MISSING: missing} if any(missing) else {}
        outcome.take(logged)
        return outcome


def _verl_arguments(call: Call, columns: Call, row: int) -> dict[str, Any]:
    """`ground_truth` also where verl keeps it, inside the column reward_model; else the reference answer."""
    here = {name: column[row] for name, column in columns.items()}
    inner = here.get("reward_model")
    nested = inner.get("ground_truth") if isinstance(inner, Mapping) else None
    truth = here.get("ground_truth", nested if nested is not None else here.get("answer"))
    return {
        "data_source": here.get("data_source", ""),
        "solution_str": completion_text(call["completions"][row]),
        "ground_truth": truth,
        "extra_info": here.get("extra_info", here),
    }


def _prompt_text(call: Call, row: int) -> str:
    """The prompt as text; of a chat its last message."""
    prompt = (call.get("prompts") or [""] * (row + 1))[row]
    return prompt if isinstance(prompt, str) else next(_contents(prompt), "")


def _contents(messages: Sequence[Any]) -> Iterator[str]:
    return (str(message.get("content") or "") for message in reversed(messages) if isinstance(message, Mapping))


def _state(call: Call) -> Any:
    """TRL passes an object; what nobody knows of it is None."""
    known = call.get("trainer_state")
    return SimpleNamespace(**{"global_step": 0, "max_steps": 0, "epoch": None, **known}) if known else None
