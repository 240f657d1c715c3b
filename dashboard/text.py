"""Text from models, datasets and people, made fit to be shown: as itself, never as markup, and never invisible.

One door for it: `visible` for text elements and tables, `as_html` inside st.html, `as_label` where Streamlit would read
Markdown (labels of all widgets, buttons and metrics; options of radio, pills, segmented_control and select_slider).
Options of selectbox and multiselect are plain text, and take `one_line`. Numbers and durations in words: wording.py.
"""

import html
import re
import unicodedata

LABEL_LIMIT = 60
_KEPT = "\n\t"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&^=])")
_ADDRESS = re.compile(r"https?:(?=//)|www(?=\.)|@(?=[-\w]+\.[-\w])", re.IGNORECASE)
_TYPOGRAPHY = re.compile(r"(?<!\S)(?:<(?=->?(?!\S))|-(?=[->](?!\S))|[<>~](?==(?!\S)))")  # -- -> <- >= <= ~= <->
_JOINER = "\u2060"  # has no width and allows no line break


def visible(text: str) -> str:
    """The text with every character that would be invisible or act on its neighbours shown as a sign.

    Control characters become their pictures (NUL: ␀), bidirectional and other format characters and lone surrogates
    become ⟨U+202E⟩. Newlines, tabs, and the joiners that scripts and emoji need stay.
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_shown, text))


def encodable(text: str) -> str:
    """The text with ? for each lone surrogate, which cannot be sent to a browser: for fields that people edit."""
    return text.encode(errors="replace").decode()


def one_line(text: str, limit: int = LABEL_LIMIT) -> str:
    """`visible` on one line of at most `limit` characters; a cut is marked with …."""
    cut = text[: limit + 1]  # a completion may have a million characters
    line = visible(cut.replace("\r\n", "\n")).replace("\n", "⏎").replace("\t", " ")
    return line if len(cut) <= limit else line[: limit - 1] + "…"


def as_html(text: str) -> str:
    """`visible`, with the characters that mean something in HTML escaped: for st.html, inside and outside of quotes."""
    return html.escape(visible(text), quote=True)


def as_label(text: str, limit: int = LABEL_LIMIT) -> str:
    """`one_line`, with the characters that mean something in Markdown escaped.

    Addresses become links, and pairs such as -- and -> between spaces other signs, even where they are escaped, so each
    gets a joiner inside, which cannot be seen.
    """
    line = _ADDRESS.sub(rf"\g<0>{_JOINER}", one_line(text, limit))
    return _MARKDOWN.sub(r"\\\1", _TYPOGRAPHY.sub(rf"\g<0>{_JOINER}", line))


def _shown(character: str) -> str:
    if character in _KEPT or character in "\u200c\u200d":
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return f"⟨U+{code:04X}⟩"
    return character
