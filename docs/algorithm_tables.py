"""The tables of docs/algorithm.md, from RunConfig and the glossary; `python docs/algorithm_tables.py` writes them."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.config import RewardSpec, RunConfig
from engine.glossary import METRICS, TERMS, Metric

PAGE = Path(__file__).parent / "algorithm.md"
MARK = re.compile(r"(<!-- table: ([\w ]+) -->\n).*?(<!-- end -->)", re.S)


def settings(model: type[BaseModel], prefix: str) -> str:
    """A row for each field of a section: its dotted name, default, meaning, equation and source."""
    rows = [_setting(f"{prefix}{name}", info) for name, info in model.model_fields.items() if not _is_section(info)]
    return _table(("Setting", "Default", "What it does", "Equation", "Source"), rows)


def numbers(metrics: dict[str, Metric]) -> str:
    """A row for each number: its key, unit, meaning, equation, what to look for, and its name in TRL or its source."""
    rows = [
        (f"`{m.key}`", m.label, m.unit, m.help, m.equation, m.look_for, m.source) for m in metrics.values()
    ]  # fmt: skip
    return _table(("Key", "Label", "Unit", "What it is", "Equation", "What to look for", "Elsewhere"), rows)


def tables() -> dict[str, str]:
    """Every table of the page, by the name in its marker."""
    sections = {name: info.annotation for name, info in RunConfig.model_fields.items() if _is_section(info)}
    return {
        "run": settings(RunConfig, ""),
        **{name: settings(model, f"{name}.") for name, model in sections.items()},  # type: ignore[arg-type]
        "rewards": settings(RewardSpec, "rewards[i]."),
        "metrics": numbers(METRICS),
        "terms": numbers(TERMS),
    }


def updated(page: str) -> str:
    """The page with fresh tables between its markers. Raises KeyError for a marker that names no table."""
    known = tables()
    return MARK.sub(lambda match: match[1] + known[match[2]] + match[3], page)


def _is_section(info: FieldInfo) -> bool:
    return isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)


def _setting(name: str, info: FieldInfo) -> tuple[str, ...]:
    extra: dict[str, Any] = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    unit = f" ({extra['unit']})" if extra.get("unit") else ""
    default = "required" if info.is_required() else _default(info.get_default(call_default_factory=True))
    choices = "; ".join(str(words) for words in extra.get("words", {}).values())
    meaning = f"{info.description} Choices: {choices}." if choices else str(info.description)
    return f"`{name}`{unit}", default, meaning, str(extra.get("equation", "")), str(extra.get("source", ""))


def _default(value: Any) -> str:
    return "empty" if value in (None, "", ()) else f"`{value}`"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "".join(_lines(head, rows))


def _lines(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield _line(head)
    yield "|" + "---|" * len(head) + "\n"
    yield from map(_line, rows)


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
