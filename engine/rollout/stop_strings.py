"""Stop strings: a completion ends at the token that completes one of them. Only the tail of its text is looked at.

As in transformers and TRL the string stays in the completion: its tokens were sampled, are trained on, and stand in the
text that rewards read. The prompt does not count, and a string may end inside a token, which is then kept whole.
A special token, such as <|im_end|>, has no text; it ends the completion where a stop string is its name.
"""

from collections.abc import Sequence
from typing import Any

# Beyond a token for each byte of the longest string: some decoders drop the space before the first token they see.
MARGIN = 2


class StopStrings:
    """Says of a completion whether its newest token completes a stop string. Holds no state of any completion."""

    def __init__(self, tokenizer: Any, strings: Sequence[str]) -> None:
        """`tokenizer` is a transformers tokenizer; `strings` are not empty."""
        self._decode = tokenizer.decode
        self._silent = frozenset(tokenizer.all_special_ids)  # left out of a completion's text
        self._strings = tuple(strings)
        names = {token: tokenizer.decode([token]).strip() for token in self._silent} if strings else {}
        self._ends = frozenset(token for token, name in names.items() if name in self._strings)
        self._window = max((len(text.encode()) for text in strings), default=0) + MARGIN

    def ended(self, ids: Sequence[int]) -> bool:
        """Whether the text of a completion that did not end before its last token holds one of the strings."""
        if ids and ids[-1] in self._ends:
            return True
        tail = self._tail(ids)
        text = self._decode(tail, skip_special_tokens=True) if tail else ""
        return any(string in text for string in self._strings)

    def _tail(self, ids: Sequence[int]) -> list[int]:
        """The last tokens that have text, as many as the longest string can be spread over."""
        if not self._strings or not ids or ids[-1] in self._silent:  # a silent token completes nothing
            return []
        found: list[int] = []
        for token in reversed(ids):
            if token not in self._silent:
                found.append(token)
                if len(found) == self._window:
                    break
        return found[::-1]
