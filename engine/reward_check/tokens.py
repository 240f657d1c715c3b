"""The tokens of a text, for rewards that count them: by the model's own tokenizer.json where it is on this machine.

Without torch. Where there is none, four characters are taken for a token, which `exact` says.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.models.catalog import resolve_source

CHARACTERS = 4  # of English text to a token, about


@dataclass(frozen=True)
class TextTokens:
    """Ids of the tokens of a text, and the number of characters up to the end of each."""

    ids: list[int]
    ends: list[int]


class Lengths:
    """The tokens of texts for the model of a configuration."""

    def __init__(self, source: str) -> None:
        self._tokenizer = _tokenizer(source)

    @property
    def exact(self) -> bool:
        return self._tokenizer is not None

    def tokens(self, text: str) -> TextTokens:
        """With an end token, as a completion that was not cut off has."""
        if self._tokenizer is None:
            count = math.ceil(len(text) / CHARACTERS)
            ends = [min((place + 1) * CHARACTERS, len(text)) for place in range(count)]
            return TextTokens([0] * (count + 1), [*ends, len(text)])
        found = self._tokenizer.encode(text, add_special_tokens=False)
        return TextTokens([*found.ids, 0], [*(end for _, end in found.offsets), len(text)])


def _tokenizer(source: str) -> Any:
    try:
        path = resolve_source(source).path
    except ModelError:  # the check of the run says so
        return None
    file = None if path is None else (path if path.is_dir() else path.parent) / "tokenizer.json"
    if file is None or path is None or not path.is_dir() or not file.is_file():
        return None
    return _read(file)


def _read(file: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(file))
    except Exception:  # the library raises plain Exceptions for what it cannot read; lengths are then estimated
        return None
