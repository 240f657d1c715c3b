"""What pydantic finds wrong, as sentences that name the field, the value, what would be right, and the fix."""

import difflib
from collections.abc import Iterable
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from engine.errors import Problem
from engine.shown import short as short

Loc = tuple[int | str, ...]

_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "string_unicode": "text without broken characters",
    "bool_type": "true or false",
    "dict_type": "a JSON object",
    "model_type": "a JSON object with settings",
    "tuple_type": "a list",
}
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def problems_from(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Problem]:
    """Everything pydantic found, in our words. `model` was validated; `prefix` is its place in the configuration."""
    details = error.errors()
    # A list whose entries are all refused is also called too short: that is no problem of its own.
    return [_problem(d, model, prefix) for d in details if not (d["type"] == "too_short" and len(d["input"]))]


def broken_texts(value: Any, loc: Loc = ()) -> list[Problem]:
    """Texts with a lone surrogate, half a character, which no file can hold. `value`: a configuration as plain data."""
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        return [Problem(dotted(loc), f"{short(value)} holds half a character.", "Type it again, or leave it out.")]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return [problem for key, part in items for problem in broken_texts(part, (*loc, key))]


def dotted(loc: Loc, prefix: str = "") -> str:
    """The path of a field as people write it: rewards[0].params.pattern."""
    text = prefix
    for part in loc:
        name = str(part)[:60]
        text += f"[{name}]" if isinstance(part, int) else (f".{name}" if text else name)
    return text or "config"


def closest(name: str, known: Iterable[str]) -> str:
    """ "Did you mean …?" with the most similar known name; empty when none is similar."""
    matches = difflib.get_close_matches(name[:100], list(known), n=1, cutoff=0.6)
    return f"Did you mean '{matches[0]}'?" if matches else ""


def repeated(names: Iterable[str]) -> str | None:
    """The first name that was there before, or None."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _problem(detail: ErrorDetails, model: type[BaseModel], prefix: str) -> Problem:
    loc, kind = detail["loc"], detail["type"]
    field = dotted(loc, prefix)
    if kind == "extra_forbidden":
        known = _section_at(model, loc[:-1]).model_fields
        return Problem(field, "is not a setting.", closest(str(loc[-1]), known) or _listed(known))
    info = _field_at(model, loc)
    help_line = (info.description if info else None) or ""
    if kind == "missing":
        return Problem(field, "is required.", help_line)
    if kind in ("too_short", "string_too_short"):
        return Problem(field, "is empty.", help_line)
    if kind == "value_error":
        return Problem(field, f"{short(detail['input'])} " * (info is not None) + f"{detail['ctx']['error']}.")
    hint = closest(short(detail["input"]).strip("'"), _choices(info)) if kind == "literal_error" else help_line
    return Problem(field, f"{short(detail['input'])} is not accepted: should be {_wanted(detail, info)}.", hint)


def _wanted(detail: ErrorDetails, info: FieldInfo | None) -> str:
    kind = detail["type"]
    if kind == "literal_error":
        return str(detail["ctx"]["expected"])
    if kind in ("string_too_long", "too_long"):
        unit = "characters" if kind == "string_too_long" else "entries"
        return f"at most {detail['ctx']['max_length']:,} {unit}"
    if kind in _WANTED:
        return _WANTED[kind]
    bounds = [
        f"{word} {_number(getattr(item, name))}"
        for item in (info.metadata if info else [])
        for name, word in _BOUNDS.items()
        if hasattr(item, name)
    ]
    return " and ".join(bounds) or f"something else ({detail['msg']})"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _section_at(model: type[BaseModel], loc: Loc) -> type[BaseModel]:
    """The section that a location leads into."""
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _field_at(model: type[BaseModel], loc: Loc) -> FieldInfo | None:
    names = [part for part in loc if isinstance(part, str)]
    if not names:
        return None
    return _section_at(model, tuple(names[:-1])).model_fields.get(names[-1])


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _choices(info: FieldInfo | None) -> list[str]:
    return [str(choice) for choice in get_args(info.annotation) if choice is not NoneType] if info else []


def _listed(names: Iterable[str]) -> str:
    known = ", ".join(names)
    return f"The settings here are {known}." if known else "There are no settings here."
