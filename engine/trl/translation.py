"""The translation of one TRL config while it is made: what was read, what it became, and what is wrong with it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from engine.config import RunConfig
from engine.config_problems import short
from engine.errors import Problem
from engine.trl.fields import DEFAULTS, is_default

Settings = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """What TRL calls `theirs` is `ours` here, such as "beta: 0.0" and "loss.beta: 0"; `note` says what differs."""

    theirs: str
    ours: str
    note: str = ""


@dataclass
class Translation:
    """`settings` is the JSON of a RunConfig in the making; `origin` names the TRL field that a setting came from.

    `told` are the TRL fields that a rule has dealt with; `as_before` counts those that changed nothing.
    """

    theirs: Mapping[str, Any]
    base: Settings
    settings: Settings
    mapped: list[Row] = field(default_factory=list)
    different: list[Row] = field(default_factory=list)
    not_here: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    origin: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    as_before: int = 0

    def is_given(self, *names: str) -> bool:
        return any(name in self.theirs for name in names)

    def get(self, name: str) -> Any:
        """The value of a TRL field, TRL's default where the config has none."""
        return self.theirs.get(name, DEFAULTS[name])

    def say(self, *names: str) -> str:
        """TRL fields with their values, as a row shows them."""
        self.told.update(names)
        default = "" if self.is_given(*names) else " (TRL's default)"
        return " · ".join(f"{name}: {in_words(self.get(name))}" for name in names) + default

    def number(self, name: str, least: float = 0) -> float | None:
        """A finite number of at least `least`, also one written as text; None, with a problem, for anything else."""
        value = _as_number(self.get(name))
        if value is not None and math.isfinite(value) and least <= value <= 2**31:
            return value
        self._refuse(name, f"should be a number of at least {least:g}")
        return None

    def whole(self, name: str, least: int = 1) -> int:
        """A whole number; `least`, with a problem, for anything else."""
        value = _as_number(self.get(name))
        if value is not None and value == value // 1 and least <= value <= 2**31:
            return int(value)
        self._refuse(name, f"should be a whole number of at least {least}")
        return least

    def switch(self, name: str) -> bool:
        value = as_switch(self.get(name))
        if isinstance(value, bool) or value is None:
            return bool(value)
        self._refuse(name, "should be true or false")
        return False

    def text(self, name: str) -> str | None:
        value = self.get(name)
        if value is None or isinstance(value, str):
            return value or None
        self._refuse(name, "should be text")
        return None

    def take(self, path: str, value: Any, *names: str, note: str = "", always: bool = False) -> None:
        """Set a setting from TRL fields. Told where it changes something, differs from TRL's default, or `always`."""
        changes = self.current(path) != value
        section, _, key = path.rpartition(".")
        (self.settings[section] if section else self.settings)[key] = value
        self.origin.update({path: names[0]} if names else {})
        self.told.update(names)
        given = [name for name in names if name in self.theirs]
        if changes or always or (note and given) or any(not is_default(name, self.theirs[name]) for name in given):
            self.tell(self.say(*names), f"{path}: {in_words(value)}", note)
        else:
            self.as_before += len(given)

    def tell(self, theirs: str, ours: str, note: str = "") -> None:
        """Add a row to what was mapped, or with a note to what means something else."""
        (self.different if note else self.mapped).append(Row(theirs, ours, note))

    def current(self, path: str) -> Any:
        """The setting before the translation; None where there is none."""
        section, _, key = path.rpartition(".")
        here = self.base.get(section, {}) if section else self.base
        return here.get(key) if isinstance(here, dict) else None

    def leave(self, note: str, *names: str, theirs: str = "") -> None:
        """Tell that fields have no place here."""
        self.not_here.append(Row(theirs or self.say(*names), "", note))
        self.told.update(names)

    def _refuse(self, name: str, wanted: str) -> None:
        problem = Problem(name, f"{short(self.get(name))} is not accepted: {wanted}.")
        if problem not in self.problems:
            self.problems.append(problem)


def typed(path: str, value: Any) -> Any:
    """The value as the type of our setting, where text says it: YAML reads 1e-6 as text, and TRL as a number."""
    annotation = _annotation(path)
    if isinstance(value, str) and value not in _choices(annotation):
        kinds = _members(annotation)
        if bool in kinds:
            return as_switch(value)
        number = _as_number(value) if {int, float} & kinds else None
        if number is not None:
            return int(number) if int in kinds and number == number // 1 else number
    return value


def as_switch(value: Any) -> Any:
    """true and false, also written as text; anything else as it is."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def in_words(value: Any) -> str:
    """A value as a config file writes it, in at most 60 characters."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e6:
        return str(int(value))
    return short(value).strip("'") if isinstance(value, str) else short(value)


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > 40:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _annotation(path: str) -> Any:
    model: Any = RunConfig
    for part in path.split("."):
        annotation = model.model_fields[part].annotation
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    return annotation


def _members(annotation: Any) -> set[Any]:
    return {annotation, *getattr(annotation, "__args__", ())}


def _choices(annotation: Any) -> tuple[Any, ...]:
    return tuple(
        choice
        for member in _members(annotation)
        for choice in getattr(member, "__args__", ())
        if isinstance(choice, str)
    )
