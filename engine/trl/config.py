"""TRL's settings as ours: the text or mapping of a GRPOConfig, or of a YAML file for `trl grpo`, becomes a RunConfig.

Light: no torch, and no TRL. What is absent takes TRL's default where training depends on it; model, data, rewards, how
often to evaluate and to save, and what bounds memory stay as they were where the config says nothing of them.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from engine.config import LossConfig, OptimConfig, RolloutConfig, RunConfig
from engine.config_problems import closest, problems_from
from engine.errors import ConfigError, Problem
from engine.trl.batch import take_batch
from engine.trl.fields import DEFAULTS, NOT_HERE, SAME, is_default
from engine.trl.schedule import take_schedule
from engine.trl.task import take_task
from engine.trl.translation import Row, Settings, Translation, in_words, typed

OUR_SECTIONS = ("model", "data", "rewards", "rollout", "loss", "optim", "evaluation", "checkpoint")
SHARED_NAMES = ("seed",)  # fields of both programs, which tell nothing
KEPT = ("rollout.max_batch_tokens", "optim.micro_batch_tokens")  # what bounds memory, which no TRL field speaks of
NOT_A_FIELD = "is not a field of TRL 1.16."
SCALES = {True: "group", False: "none"}  # what scale_rewards may be, too
MOST_UNKNOWN = 100


@dataclass(frozen=True)
class TrlImport:
    """`settings` is the JSON of a RunConfig, which may still need what TRL's config did not say.

    mapped, different, not_here: one row for each field, or for several that belong together. unknown: names that no TRL
    config has. kept: which of model, data and rewards are still those of before. as_before: how many fields of the
    config are at TRL's default and changed nothing here.
    """

    settings: Settings
    mapped: tuple[Row, ...]
    different: tuple[Row, ...]
    not_here: tuple[Row, ...]
    unknown: tuple[Row, ...]
    kept: tuple[str, ...]
    as_before: int

    def tables(self) -> list[tuple[str, tuple[Row, ...]]]:
        """(heading, rows) of what is there to be told."""
        found = [
            ("Taken over", self.mapped), ("With another meaning", self.different), ("Not here", self.not_here),
            ("Not known", self.unknown),
        ]  # fmt: skip
        return [(heading, rows) for heading, rows in found if rows]

    def rest_in_words(self) -> str:
        """What the tables leave out, in sentences; empty when there is nothing."""
        parts = []
        if self.as_before:
            have = "more field has" if self.as_before == 1 else "more fields have"
            parts.append(f"{self.as_before} {have} TRL's default, which changed nothing here.")
        if self.kept:
            listed = ", ".join(self.kept[:-1]) + " and " * (len(self.kept) > 1) + self.kept[-1]
            parts.append(f"The config says nothing that changes {listed}: kept as before.")
        return " ".join(parts)


def looks_like_trl(settings: Mapping[str, Any]) -> bool:
    """Whether these are TRL's settings and not ours: fields of TRL side by side, and no section of ours."""
    ours = any(isinstance(settings.get(section), dict | list) for section in OUR_SECTIONS)
    return not ours and any(name in DEFAULTS and name not in SHARED_NAMES for name in settings)


def import_trl(theirs: Mapping[str, Any], base: Settings) -> TrlImport:
    """Our settings for a TRL config. `base`: the JSON of a RunConfig, which may be a draft that is still wrong.

    Raises ConfigError with every value that cannot be used, under TRL's name of the field.
    """
    t = Translation(theirs, base, _start(base))
    _take_what_is_the_same(t)
    updates = take_batch(t)
    take_task(t)
    take_schedule(t, updates)
    _take_other_optimizer_settings(t)
    _leave_the_rest(t)
    problems = t.problems + _problems_of_values(t)
    if problems:
        raise ConfigError(problems)
    kept = tuple(part for part in ("model", "data", "rewards") if t.settings.get(part) == base.get(part))
    unknown = tuple(_unknown(theirs))
    return TrlImport(t.settings, tuple(t.mapped), tuple(t.different), tuple(t.not_here), unknown, kept, t.as_before)


def _start(base: Settings) -> Settings:
    """The settings of before, but for those of GRPO, which start from defaults: TRL has no others than it says."""
    settings = copy.deepcopy(base)
    for section, model in (("rollout", RolloutConfig), ("loss", LossConfig), ("optim", OptimConfig)):
        settings[section] = model().model_dump(mode="json")
    for section in ("model", "data", "evaluation", "checkpoint"):
        settings[section] = dict(settings.get(section) or {})
    for path in KEPT:
        section, name = path.split(".")
        settings[section][name] = base.get(section, {}).get(name, settings[section][name])
    return settings


def _take_what_is_the_same(t: Translation) -> None:
    for name, (path, _) in SAME.items():
        t.take(path, _converted(name, path, t.get(name), t), name, note=_note(name, t))


def _converted(name: str, path: str, value: Any, t: Translation) -> Any:
    if name == "scale_rewards" and isinstance(value, bool):
        return SCALES[value]
    if name == "max_completion_length" and value is None:
        return t.current(path)
    if value is None and name in ("min_p", "top_k"):
        return 0
    return typed(path, value)


def _note(name: str, t: Translation) -> str:
    """In what way a field of the same name means something else with this value."""
    value = t.get(name)
    if name == "loss_type" and value == "bnpo":
        return "TRL averages over the tokens of each micro-batch, here bnpo averages over those of the whole update."
    if name == "top_entropy_quantile" and value != 1:
        return "TRL takes the quantile over a micro-batch, here it is over the whole update."
    if name == "max_completion_length" and value is None:
        return "TRL sets no limit then; here there is always one, and it was left as it is."
    return ""


def _take_other_optimizer_settings(t: Translation) -> None:
    norm = t.number("max_grad_norm")
    if norm is not None:
        note = "" if norm else "0 turns clipping off in TRL; the largest limit does so here."
        t.take("optim.max_grad_norm", norm or 1000.0, "max_grad_norm", note=note)
    kind = t.text("optim") or "adamw_torch"
    if not kind.startswith(("adamw_torch_fused", "adamw_torch", "adamw_apex")) or kind.endswith("bit"):
        t.leave("AdamW is the only optimizer here.", "optim")
    t.told.add("optim")


def _leave_the_rest(t: Translation) -> None:
    """One row for each group of fields without a counterpart. Values are not shown: some of them are secrets."""
    for group in NOT_HERE:
        names = [name for name in group.defaults if name in t.theirs and not is_default(name, t.theirs[name])]
        names = [name for name in names if name not in t.told or name == "logging_steps"]
        if names:
            t.leave(group.text, *names, theirs=", ".join(names))


def _unknown(theirs: Mapping[str, Any]) -> Iterable[Row]:
    names = [name for name in theirs if name not in DEFAULTS][:MOST_UNKNOWN]
    return [Row(in_words(name), "", f"{NOT_A_FIELD} {closest(name, DEFAULTS)}".strip()) for name in names]


def _problems_of_values(t: Translation) -> list[Problem]:
    """What our bounds refuse among the values that came from the config; what was wrong before is not its fault."""
    try:
        RunConfig.model_validate(t.settings)
    except ValidationError as error:
        found = problems_from(error, RunConfig)
        names = [(t.origin.get(p.field) or t.origin.get(p.field.partition("[")[0]), p) for p in found]
        return [Problem(name, p.message, p.hint) for name, p in names if name is not None]
    return []


def report_lines(result: TrlImport) -> Iterator[str]:
    """The tables for a terminal."""
    for heading, rows in result.tables():
        yield f"{heading}:"
        for row in rows:
            yield f"  {row.theirs}" + (f"  →  {row.ours}" if row.ours else "")
            if row.note:
                yield f"      {row.note}"
    if rest := result.rest_in_words():
        yield rest
