"""Which calling convention a function follows, read off its signature; and what it takes of the data. Pure.

TRL's takes a whole batch, verl's `compute_score` one completion under fixed names, and a single-sample function one
completion under any usual name. What could be two of them is none, with the reason: nothing is guessed in silence.
"""

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.rewards.worker.types import Convention

BATCH = ("prompts", "completions", "completion_ids")
PASSED = (*BATCH, "trainer_state", "log_extra", "log_metric")
VERL = ("data_source", "solution_str", "ground_truth", "extra_info")
COMPLETION = ("completion", "response", "text", "output", "generation", "generated_text", "prediction", "model_output")
REFERENCE = (
    *("answer", "ground_truth", "reference", "target", "gold", "label", "expected", "solution", "reference_answer"),
)
GIVEN = ("prompt", "trainer_state", "log_metric", "log_extra")  # what a single-sample function may ask for besides
FORCE = "name its convention in the reward's settings"

_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Recognised:
    """`completion` is the parameter that gets the completion, where the function takes one at a time.

    `columns` are needed, `optional` have a default or stand for the reference answer under another name.
    """

    convention: Convention | None
    why: str
    completion: str = ""
    columns: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    reads_all: bool = False


def recognise(signature: inspect.Signature, forced: Convention | None = None) -> Recognised:
    """The convention of a function with this signature; with `forced` that one, as far as the signature allows it."""
    parameters = {name: p for name, p in signature.parameters.items() if p.kind not in _VARIABLE}
    kinds = {p.kind for p in signature.parameters.values()}
    takes_all = inspect.Parameter.VAR_KEYWORD in kinds
    if forced == "trl":
        return _trl(parameters, takes_all, "the settings say so")
    if forced == "verl":
        return _verl(parameters, takes_all, "the settings say so")
    if forced == "single":
        return _forced_single(parameters, takes_all)
    batch = [name for name in BATCH if name in parameters]
    one = [name for name in COMPLETION if name in parameters]
    if batch and one:
        return Recognised(None, f"It takes both '{batch[0]}', a batch, and '{one[0]}', one completion: {FORCE}.")
    if batch:
        return _trl(parameters, takes_all, f"it takes {_quoted(batch)}")
    if "solution_str" in parameters and "ground_truth" in parameters:
        return _verl(parameters, takes_all, "it takes 'solution_str' and 'ground_truth'")
    if "solution_strs" in parameters:
        return Recognised(None, "It has the signature of verl's batch manager; write compute_score for one completion.")
    if not parameters and takes_all:
        return _trl(parameters, takes_all, "it takes keywords alone")
    return _single(parameters, takes_all, one)


def missing_words(missing: Sequence[str], there: Collection[str]) -> str:
    """What a function takes that the data does not have, as the end of "it …", with the columns that there are."""
    have = ", ".join(sorted(there)[:30]) or "none"
    columns = f"the column {missing[0]!r}" if len(missing) == 1 else f"the columns {_quoted(missing)}"
    return f"takes {columns}, which the data does not have; there are: {have}"


def _trl(parameters: Mapping[str, inspect.Parameter], takes_all: bool, why: str) -> Recognised:
    rest = {name: p for name, p in parameters.items() if name not in PASSED}
    if any(p.kind is inspect.Parameter.POSITIONAL_ONLY for p in parameters.values()):
        return Recognised(None, "TRL's convention passes keywords, and a parameter before '/' takes none.")
    return Recognised("trl", f"TRL's: {why}.", "", _without_default(rest), _with_default(rest), takes_all)


def _verl(parameters: Mapping[str, inspect.Parameter], takes_all: bool, why: str) -> Recognised:
    unknown = [name for name in _without_default(parameters) if name not in VERL]
    if unknown:
        return Recognised(None, f"verl's convention passes {_quoted(VERL)}, and it also needs {_quoted(unknown)}.")
    return Recognised("verl", f"verl's: {why}.", "solution_str", (), ("data_source", "ground_truth", "extra_info"))


def _single(parameters: Mapping[str, inspect.Parameter], takes_all: bool, one: list[str]) -> Recognised:
    if len(one) > 1:
        return Recognised(None, f"Each of {_quoted(one)} could be the completion: rename one, or {FORCE}.")
    if one:
        return _one_sample(parameters, takes_all, one[0], f"'{one[0]}' is the completion")
    needed = _without_default(parameters)
    if len(needed) == 1 and needed[0] not in (*REFERENCE, *GIVEN) and not _looks_like_list(parameters[needed[0]]):
        return _one_sample(
            parameters, takes_all, needed[0], f"its one argument, '{needed[0]}', is taken for the completion"
        )
    what = f"Its parameters are {_quoted(parameters)}" if parameters else "It has no parameters"
    return Recognised(None, f"{what}, and none is the completion: call it 'completions' or 'completion', or {FORCE}.")


def _forced_single(parameters: Mapping[str, inspect.Parameter], takes_all: bool) -> Recognised:
    completion = next((name for name in COMPLETION if name in parameters), next(iter(parameters), ""))
    if not completion:
        return Recognised(None, "It has no parameter that could take the completion.")
    return _one_sample(parameters, takes_all, completion, f"the settings say so, and '{completion}' is the completion")


def _one_sample(parameters: Mapping[str, inspect.Parameter], takes_all: bool, completion: str, why: str) -> Recognised:
    rest = {name: p for name, p in parameters.items() if name not in (completion, *GIVEN)}
    references = [name for name in rest if name in REFERENCE]
    if references:
        why += f", and {_quoted(references)} the column of that name, else the reference answer"
    needed = tuple(name for name in _without_default(rest) if name not in REFERENCE)
    optional = (*_with_default(rest), *(name for name in _without_default(rest) if name in REFERENCE))
    return Recognised("single", f"One completion at a time: {why}.", completion, needed, optional, takes_all)


def _without_default(parameters: Mapping[str, inspect.Parameter]) -> tuple[str, ...]:
    return tuple(name for name, p in parameters.items() if p.default is inspect.Parameter.empty)


def _with_default(parameters: Mapping[str, inspect.Parameter]) -> tuple[str, ...]:
    return tuple(name for name, p in parameters.items() if p.default is not inspect.Parameter.empty)


def _looks_like_list(parameter: inspect.Parameter) -> bool:
    annotation: Any = parameter.annotation
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return any(word in str(text).lower() for word in ("list", "sequence", "tuple")) or parameter.name.endswith("s")


def _quoted(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
