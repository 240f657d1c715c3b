"""What the New-run form is made of: one Control per field of RunConfig, and the draft that the controls edit.

A draft is the JSON of a RunConfig that may still be wrong: nested dicts and lists, with a text where a number does not
read as one. parse_config is the only judge of it. Nothing here knows Streamlit; form.py draws what this describes.
"""

import math
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.errors import Problem

Kind = Literal["text", "paragraph", "lines", "choice", "switch", "tristate", "integer", "number"]
Draft = dict[str, Any]

# The three positions of a bool that may be left to the program.
TRISTATE: dict[str, bool | None] = {"automatic": None, "on": True, "off": False}

# How a line break and the like are written in a list of one text a line.
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
_UNESCAPES = {written: character for character, written in _ESCAPES.items()}

# A text this long gets a box of several lines.
PARAGRAPH_LENGTH = 10_000


@dataclass(frozen=True)
class Control:
    """One field of the form. `path` is its dotted place in the draft; `words` names choices for a reader.

    `empty`: what it means when an `optional` one has no value.
    """

    path: str
    kind: Kind
    label: str
    help: str
    optional: bool = False
    advanced: bool = False
    choices: tuple[str, ...] = ()
    words: Mapping[str, str] | None = None
    empty: str = ""

    def word(self, choice: str) -> str:
        return (self.words or {}).get(choice, choice)


def controls(model: type[BaseModel], prefix: str = "") -> Iterator[Control]:
    """The controls of a pydantic model in order, sections opened; lists of sections and mappings are left out."""
    for name, info in model.model_fields.items():
        path = f"{prefix}.{name}" if prefix else name
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from controls(annotation, path)
        elif (control := _control(path, info)) is not None:
            yield control


def _control(path: str, info: FieldInfo) -> Control | None:
    inner, optional = _without_none(info.annotation)
    kind = _kind(inner, optional, info)
    if kind is None:
        return None
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    words = extra.get("words")
    return Control(
        path=path,
        kind=kind,
        label=_label(path, extra),
        help=" ".join(filter(None, [info.description, bounds_sentence(info)])),
        optional=optional,
        advanced=bool(extra.get("advanced", False)),
        choices=_choices(inner),
        words={str(k): str(v) for k, v in words.items()} if isinstance(words, dict) else None,
        empty=str(extra.get("empty") or "automatic") if optional or kind == "lines" else "",
    )


def _kind(inner: Any, optional: bool, info: FieldInfo) -> Kind | None:
    if _choices(inner):
        return "choice"
    if get_origin(inner) is tuple and _is_text(get_args(inner)[0]):
        return "lines"
    if inner is str:
        return "paragraph" if (_bound(info, annotated_types.MaxLen, "max_length") or 0) >= PARAGRAPH_LENGTH else "text"
    if inner is bool:
        return "tristate" if optional else "switch"
    if inner is int or inner is float:
        return "integer" if inner is int else "number"
    return None


def _is_text(annotation: Any) -> bool:
    return annotation is str or (get_origin(annotation) is Annotated and get_args(annotation)[0] is str)


def _choices(annotation: Any) -> tuple[str, ...]:
    """The values of a Literal, or of a union of Literals alone."""
    if get_origin(annotation) is Literal:
        return tuple(str(value) for value in get_args(annotation))
    members = [_choices(member) for member in get_args(annotation)] if _is_union(annotation) else []
    return tuple(value for member in members for value in member) if all(members) else ()


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """(the type without None, whether None was allowed)."""
    if not _is_union(annotation):
        return annotation, False
    members = [member for member in get_args(annotation) if member is not type(None)]
    return (members[0] if len(members) == 1 else annotation), len(members) < len(get_args(annotation))


def _label(path: str, extra: Mapping[str, Any]) -> str:
    label = str(extra.get("label") or path.rsplit(".", 1)[-1].replace("_", " ").capitalize())
    unit = str(extra.get("unit") or "")
    return f"{label} ({unit})" if unit else label


def bounds_sentence(info: FieldInfo) -> str:
    """The bounds of a number in words: "From 2 to 256." or "More than 0, at most 5."; empty without bounds."""
    at_least, more_than = _bound(info, annotated_types.Ge, "ge"), _bound(info, annotated_types.Gt, "gt")
    at_most, less_than = _bound(info, annotated_types.Le, "le"), _bound(info, annotated_types.Lt, "lt")
    if at_least is not None and at_most is not None:
        return f"From {short_number(at_least)} to {short_number(at_most)}."
    parts = [
        f"{word} {short_number(value)}"
        for word, value in (
            ("at least", at_least), ("more than", more_than), ("at most", at_most), ("less than", less_than),
        )
        if value is not None
    ]  # fmt: skip
    sentence = ", ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}." if sentence else ""


def _bound(info: FieldInfo, kind: type, attribute: str) -> Any:
    return next((getattr(item, attribute) for item in info.metadata if isinstance(item, kind)), None)


def short_number(value: float) -> str:
    """A number as a person writes it: 1e-5 and not 1e-05, 0.04 and not 0.040000, 20,000 and not 2e+04."""
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    if not math.isfinite(value) or 1e-3 <= abs(value) < 1e15:
        return repr(float(value))
    _, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    mantissa = f"{digits[0]}.{''.join(map(str, digits[1:]))}".rstrip(".")
    return f"{'-' if value < 0 else ''}{mantissa}e{int(exponent) + len(digits) - 1}"


# Between the draft and a widget


def to_widget(control: Control, value: Any) -> Any:
    """What the widget of this control shows for a value of the draft."""
    if control.kind == "tristate":
        return next((word for word, state in TRISTATE.items() if state is value), "automatic")
    if control.kind == "switch":
        return bool(value)
    if control.kind == "integer":
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if control.kind == "number":
        return short_number(value).replace(",", "") if isinstance(value, int | float) else str(value or "")
    if control.kind == "lines":
        return "\n".join(map(escaped, value)) if isinstance(value, list | tuple) else ""
    if control.kind == "choice":
        return value if value in control.choices else None
    return "" if value is None else str(value)


def from_widget(control: Control, shown: Any) -> Any:
    """The draft's value for what a widget shows. A text that is not a number stays a text, for the parser to refuse."""
    if control.kind == "tristate":
        return TRISTATE.get(str(shown))
    if control.kind == "number":
        return _number(str(shown or "").strip(), control.optional)
    if control.kind == "lines":
        return [unescaped(line) for line in str(shown or "").split("\n") if line]
    if control.kind in ("text", "paragraph"):
        return None if control.optional and not shown else (shown or "")
    return shown


def escaped(text: str) -> str:
    """A text in one line: a backslash, n, r and t stand for what ends a line or widens it."""
    return "".join(_ESCAPES.get(character, character) for character in str(text))


def unescaped(line: str) -> str:
    """What `escaped` wrote; a backslash before anything else is itself."""
    return re.sub(r"\\[nrt\\]", lambda found: _UNESCAPES[found[0]], line)


def _number(text: str, optional: bool) -> float | str | None:
    if not text:
        return None if optional else ""
    try:
        return float(text.replace("−", "-"))
    except ValueError:
        return text


# The draft as a tree


def split_path(path: str) -> list[str | int]:
    """ "rewards[0].params.tag" → ["rewards", 0, "params", "tag"]."""
    return [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]


def get_value(draft: Draft, path: str, default: Any = None) -> Any:
    """The value at a dotted path, or the default where the path leads nowhere."""
    here: Any = draft
    for part in split_path(path):
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            return default
    return here


def set_value(draft: Draft, path: str, value: Any) -> None:
    """Set the value at a dotted path; missing sections are made, missing list items are not."""
    *parents, last = split_path(path)
    here: Any = draft
    for part in parents:
        here = here.setdefault(part, {}) if isinstance(here, dict) else here[part]
    here[last] = value


# Problems beside their field


def place_problems(
    problems: Iterable[Problem], anchors: Iterable[str]
) -> tuple[dict[str, list[Problem]], list[Problem]]:
    """(anchor → its problems, problems without an anchor). An anchor takes its own field and what lies below it."""
    by_length = sorted(anchors, key=len, reverse=True)
    placed: dict[str, list[Problem]] = {}
    elsewhere: list[Problem] = []
    for problem in problems:
        anchor = next((a for a in by_length if _covers(a, problem.field)), None)
        if anchor is None:
            elsewhere.append(problem)
        else:
            placed.setdefault(anchor, []).append(problem)
    return placed, elsewhere


def _covers(anchor: str, field: str) -> bool:
    return field == anchor or field.startswith((f"{anchor}.", f"{anchor}["))


def sentence(problem: Problem, help_line: str = "") -> str:
    """A problem beside its own field, where neither the field's name nor its help need be repeated."""
    hint = "" if problem.hint in help_line else problem.hint
    text = f"{problem.message} {hint}".strip()
    is_word = re.match(r"[a-z]+(\s|$)", text)  # a file name or a value keeps its letters
    return text[:1].upper() + text[1:] if is_word else text
