"""One spelling for the many that numbers have: digits, signs and spaces of all scripts, LaTeX and Markdown around them.

Each pattern here reads a bounded number of characters beyond those it consumes, so the cost is linear in the text.
"""

import re
import unicodedata


class _Spelling(dict[int, str]):
    """What becomes of a character outside ASCII; worked out once for each."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _spelled(chr(code)) if code > 127 else chr(code)
        return found


def _spelled(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    category = unicodedata.category(character)
    if digit is not None:
        return str(digit)
    if character in _SIGNS:
        return _SIGNS[character]
    if category in ("Zs", "Cf"):
        return " " if category == "Zs" else ""
    wide = 0xFF01 <= ord(character) <= 0xFF5E
    if wide or unicodedata.decomposition(character).startswith("<fraction>"):
        return unicodedata.normalize("NFKC", character)
    return character


_SIGNS = {"−": "-", "–": "-", "﹣": "-", "’": "'", "٬": ",", "٫": ".", "٪": "%", "∙": "·", "⋅": "·"}
_SPELLING = _Spelling()
_SUPERSCRIPT = re.compile(r"([⁺⁻]?)([⁰¹²³⁴⁵⁶⁷⁸⁹]++)")
_FROM_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_VULGAR = re.compile("(?<=[0-9])([¼-¾⅐-⅞])")
_BOLD = re.compile(r"(?<![0-9])\*\*|\*\*(?![0-9])")
_UNDERLINED = re.compile(r"(?<!\w)__?([^_\n]{1,80})__?(?!\w)")
_ITALIC = re.compile(r"(?<![\w*)\s])\*([^*\n]{1,40})\*(?![\w*(])|(?<!\S)\*([^*\s][^*\n]{0,40})\*(?![\w*(])")
_FRACTION = re.compile(
    r"\\[dtc]?frac {0,3}"
    r"(?:\{ {0,3}([-+]?[0-9.,]{1,40}) {0,3}\} {0,3}\{ {0,3}([0-9.,]{1,40}) {0,3}\}|([0-9]) {0,3}([0-9]))"
)
_LATEX = (
    (re.compile(r"\\[dt]?frac(?![a-z])"), r"\\frac"),
    (re.compile(r"\\(?:text|mathrm|mathbf|textbf|mathit|textit|mbox|operatorname) ?\{([^{}]{0,200})\}"), r" \1 "),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\!"), ""),
    (re.compile(r"\\[,;: ]|\\q?quad|~"), " "),
    (re.compile(r"\\([$%#&])"), r"\1"),
    (re.compile(r"\^ ?\{? ?\\circ ?\}?|\\degree"), "°"),
    (re.compile(r"\\(?:times|cdot)(?![a-z])"), "*"),
    (re.compile(r"\\div(?![a-z])"), "/"),
    (re.compile(r"\\pm(?![a-z])"), "±"),
    (re.compile(r"\\approx(?![a-z])"), "="),
    (re.compile(r"\\neq?(?![a-z])"), "≠"),
    (re.compile(r"\\(?:left|right|displaystyle)(?![a-z])"), ""),
)
_POWER_OF_TEN = re.compile(r"(?<=[0-9]) {0,3}[*×·x] {0,3}10 ?\^ ?\{? ?([-+]?[0-9]{1,3}) ?\}?(?![0-9])")
_MINUS_APART = re.compile(r"= ?- (?=[0-9])")


def plain(text: str) -> str:
    """The text with numbers in one spelling: ASCII digits and signs, LaTeX and Markdown around numbers taken off."""
    if not text.isascii():
        text = _VULGAR.sub(r" \1", text)
        text = _SUPERSCRIPT.sub(lambda m: "^" + m[0].translate(_FROM_SUPERSCRIPT), text)
        text = text.translate(_SPELLING).replace("⁄", "/")
    if "\\" in text or "{" in text or "~" in text:
        text = _FRACTION.sub(_plain_fraction, text)
        for pattern, spelling in _LATEX:
            text = pattern.sub(spelling, text)
    if "_" in text:
        text = _UNDERLINED.sub(r"\1", text)
    if "*" in text:
        text = _ITALIC.sub(lambda m: m[1] or m[2], _BOLD.sub("", text))
    return _MINUS_APART.sub("= -", _POWER_OF_TEN.sub(r"e\1", text))


def _plain_fraction(match: re.Match[str]) -> str:
    above, below = match[1] or match[3], match[2] or match[4]
    mixed = match.start() > 0 and match.string[match.start() - 1].isdigit()
    return f"{' ' if mixed else ''}{above}/{below} "
