"""The prompt template: {prompt} and {column} replaced literally in one pass: data is never read as a template."""

import json
import re
from collections.abc import Mapping
from typing import Any

from engine.config_problems import closest
from engine.errors import DatasetError

FIELD = "data.prompt_template"
_PART = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")


def check_template(template: str, columns: list[str]) -> None:
    """Raises DatasetError for a placeholder that is no column, and for a template without any."""
    names = [match[1] for match in _PART.finditer(template) if match[1] is not None]
    known = ["prompt", *columns]
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise DatasetError(
            f"The prompt template has {{{unknown}}}, but there is no column '{unknown}'; there are {', '.join(known)}.",
            hint=closest(unknown, known) or "Write {{ and }} for braces that stand for themselves.",
            field=FIELD,
        )
    if not names:
        raise DatasetError(
            "The prompt template has no {prompt}, so every prompt would be the same.",
            hint="Put {prompt} where the question belongs.",
            field=FIELD,
        )


def fill_template(template: str, question: str, columns: Mapping[str, Any]) -> str:
    """The template with {prompt} as the question and {column} as that column's text; {{ and }} become { and }.

    Braces around nothing, as in \\boxed{}, and single braces stay as they are. A column that a row lacks is empty.
    """

    def part(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0][0]
        return question if name == "prompt" else as_text(columns.get(name))

    return _PART.sub(part, template)


def as_text(value: Any) -> str:
    """A cell as text: strings as they are, nothing as "", true, numbers and lists as JSON writes them."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
