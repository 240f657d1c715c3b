"""What every section of a configuration is made of: a frozen pydantic model, and fields that describe themselves."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A frozen group of settings that refuses unknown keys, NaN, and values of another type ("8" or true for 8)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


def knob(
    default: Any,
    help: str,
    *,
    label: str,
    unit: str = "",
    advanced: bool = False,
    words: Mapping[str, str] | None = None,
    empty: str = "",
    equation: str = "",
    source: str = "",
    **bounds: Any,
) -> Any:
    """A field with what a form and the docs need: `label`, `help`, `unit`, and whether it hides under "more".

    `words` says in a form what each choice of a Literal means, and `empty` what a setting without a value means, such
    as "off"; `equation` and `source` are for docs/algorithm.md.
    """
    extra: dict[str, Any] = {
        "label": label,
        "unit": unit,
        "advanced": advanced,
        "words": dict(words or {}),
        "empty": empty,
        "equation": equation,
        "source": source,
    }
    return Field(default, description=help, json_schema_extra=extra, **bounds)
