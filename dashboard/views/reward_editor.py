"""The editor of reward files: the saved ones, a text to edit, what was recognised in it, and the ways on from there."""

import hashlib
from typing import Any, Final

import streamlit as st

from dashboard import state
from dashboard.text import as_html, as_label, encodable, one_line, visible
from dashboard.views.reward_board import check_now
from dashboard.views.reward_templates import TEMPLATES
from dashboard.views.reward_use import use_in_new_run
from dashboard.wording import plural
from engine.errors import LabError
from engine.rewards.worker.describe_client import describe_file
from engine.rewards.worker.files import RewardFile, list_reward_files, read_reward_file, save_reward_file
from engine.rewards.worker.types import CallableInfo, FileInfo
from engine.runs.paths import rewards_root, runs_root

TEXT: Final = "rewards.text"
NAME: Final = "rewards.name"
OPENED: Final = "rewards.opened"  # (path or "", sha256 of what was opened): what the text was begun from
FUNCTION: Final = "rewards.function"
FAILURE: Final = "rewards.failure"
UNSAVED: Final = "rewards.unsaved"  # (name, text, opened) that another file or template took the place of
HEIGHT: Final = 260
MAX_CHARS: Final = 1_000_000
NEW: Final = ""
YOUR_CODE: Final = (
    "It runs as you, with your rights, in a process of its own: with limits on time and memory, so that a mistake in "
    "it costs values and never the run."
)
MONOSPACE: Final = ".st-key-rewards_text textarea{font-family:var(--st-code-font,monospace);font-size:.85rem}"


def editor_view() -> None:
    files = list_reward_files(rewards_root(runs_root()))
    _follow_url(files)
    left, right = st.columns([1, 2.6], gap="large")
    with left:
        _draw_files(files)
    with right:
        _draw_text()
        _draw_found(files)


def _follow_url(files: list[RewardFile]) -> None:
    """Open the file that the URL names, or the first template."""
    asked = st.query_params.get(state.FILE, NEW)
    if OPENED not in st.session_state or (asked and st.session_state[OPENED][0] != asked):
        found = next((file for file in files if file.name == asked), None)
        if asked and found is None:
            st.warning(f"There is no reward file {as_label(asked)}.", icon=":material/warning:")
            state.set_in_url(**{state.FILE: None})
        if found is not None:
            _open(found)
        if OPENED not in st.session_state:
            _begin("single")


def _open(file: RewardFile) -> None:
    try:
        data = read_reward_file(file.path)
    except LabError as error:  # removed since the page was drawn
        st.session_state[FAILURE] = str(error)
        return
    _keep_unsaved()
    _put(file.name, data.decode(), (file.name, hashlib.sha256(data).hexdigest()))


def _begin(template: str) -> None:
    _keep_unsaved()
    _put("my_reward", TEMPLATES[template].text, (NEW, ""))


def _put(name: str, text: str, opened: tuple[str, str]) -> None:
    st.session_state[NAME], st.session_state[TEXT], st.session_state[OPENED] = name, text, opened
    st.session_state.pop(FAILURE, None)
    st.session_state.pop(FUNCTION, None)
    state.set_in_url(**{state.FILE: opened[0] or None})


def _keep_unsaved() -> None:
    """Before another text takes its place: what was typed and is in no file can be brought back."""
    if OPENED not in st.session_state:
        return
    name, text, opened = st.session_state[NAME], st.session_state[TEXT], st.session_state[OPENED]
    is_typed = text.strip() and text not in [template.text for template in TEMPLATES.values()]
    if is_typed and _hash(encodable(text)) != opened[1]:
        st.session_state[UNSAVED] = (name, text, opened)


def _bring_back() -> None:
    """It changes places with what is there now, if that is unsaved too."""
    unsaved = st.session_state.pop(UNSAVED)
    _keep_unsaved()
    _put(*unsaved)


def _draw_files(files: list[RewardFile]) -> None:
    st.subheader("New", anchor=False)
    for key, template in TEMPLATES.items():
        st.button(
            template.label, key=f"rewards.new.{key}", icon=":material/add:", width="stretch", on_click=_begin,
            args=(key,), help=template.help,
        )  # fmt: skip
    if UNSAVED in st.session_state:
        st.button(
            as_label(f"Back to the unsaved {st.session_state[UNSAVED][0]}"), key="rewards.unsaved_back",
            icon=":material/undo:", width="stretch", on_click=_bring_back, help="It was typed, and is in no file yet.",
        )  # fmt: skip
    st.subheader("Your files", anchor=False)
    if not files:
        st.caption("None yet. What you save appears here.")
    with st.container(height=320 if len(files) > 6 else "content", border=False, gap="xsmall"):
        for file in files:
            current = st.session_state[OPENED][0] == file.name
            st.button(
                as_label(file.name), key=f"rewards.open.{file.name}", icon=":material/description:", width="stretch",
                type="primary" if current else "secondary", on_click=_open, args=(file,),
            )  # fmt: skip


def _draw_text() -> None:
    st.html(f"<style>{MONOSPACE}</style>")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Name", key=NAME, max_chars=60, persist_state="session",
            help="Letters, digits, - and _. The file is this name and .py.",
        )  # fmt: skip
        st.button("Save", key="rewards.save", icon=":material/save:", type="primary", on_click=_save)
    with st.container(key="rewards_text"):
        st.text_area("Python", key=TEXT, height=HEIGHT, max_chars=MAX_CHARS, persist_state="session")
    if failure := st.session_state.get(FAILURE):
        st.error(as_label(failure, 1000), icon=":material/error:")
    st.caption(f"{YOUR_CODE} `None` means: nothing to say about this completion.")


def _save() -> None:
    """Save the text; what changed on disk since it was opened is not overwritten without a word."""
    folder, name = rewards_root(runs_root()), st.session_state[NAME].strip().removesuffix(".py")
    opened, sha256 = st.session_state[OPENED]
    st.session_state.pop(FAILURE, None)
    try:
        there = {file.name: file for file in list_reward_files(folder)}.get(name)
        text = encodable(st.session_state[TEXT])
        if there is not None and there.sha256 not in (sha256, _hash(text)):
            why = (
                "has changed on disk since it was opened"
                if name == opened
                else "is there already, with another content"
            )
            st.session_state[FAILURE] = f"{name}.py {why}. Save under another name, or open it first."
            return
        path = save_reward_file(folder, name, text)
    except LabError as error:
        st.session_state[FAILURE] = str(error)
        return
    st.session_state[OPENED] = (path.stem, _hash(text))
    state.set_in_url(**{state.FILE: path.stem})


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _draw_found(files: list[RewardFile]) -> None:
    """What the saved file holds, and where to go with it."""
    name, sha256 = st.session_state[OPENED]
    file = next((file for file in files if file.name == name), None)
    if file is None:
        st.info("Save it to see what is recognised in it, and to check it.", icon=":material/save:")
        return
    if _hash(encodable(st.session_state[TEXT])) != sha256:
        st.info(as_label(f"Not saved yet. What follows is about {name}.py as it was saved."), icon=":material/edit:")
    info = described(str(file.path), file.sha256)
    if info.problem:
        st.error(as_label(f"It cannot be used: {info.problem}", 1000), icon=":material/error:")
        if info.traceback:
            st.code(visible(info.traceback[:4000]), language=None)
        elif info.line:
            saved = file.path.read_text(encoding="utf-8", errors="replace")
            st.code(line_in_words(saved, info.line), language=None)
        return
    for warning in info.warnings:
        st.warning(as_label(warning, 500), icon=":material/warning:")
    chosen = _choose(info)
    if chosen is not None:
        st.html(callable_html(chosen))
    if chosen is None or chosen.convention is None:
        return
    function = chosen.name if len([c for c in info.callables if c.convention]) > 1 else ""
    with st.container(horizontal=True):
        st.button(
            "Check it", key="rewards.check_it", icon=":material/fact_check:", type="primary", on_click=check_now,
            args=(file, function),
        )  # fmt: skip
        st.button(
            "Use in a new run", key="rewards.use", icon=":material/rocket_launch:", on_click=use_in_new_run,
            args=(file, function),
        )  # fmt: skip


def line_in_words(text: str, line: int) -> str:
    """The line that a message names, with the ones around it, all numbered."""
    lines = text.split("\n")  # as Python counts them: splitlines knows more kinds of line breaks
    first = max(1, line - 1)
    return "\n".join(
        f"{'→' if number == line else ' '} {number:>3}  {visible(shown[:200])}"
        for number, shown in enumerate(lines[first - 1 : line + 1], start=first)
    )


@st.cache_data(max_entries=64, show_spinner="Looking at the file …")
def described(path: str, sha256: str) -> FileInfo:
    """What a file of this content holds, asked of a child process once."""
    from pathlib import Path

    return describe_file(Path(path))


def _choose(info: FileInfo) -> CallableInfo | None:
    """The function that is meant: the only one, or one that the reader chooses."""
    usable = [found for found in info.callables if found.convention] or list(info.callables)
    if len(usable) <= 1:
        return usable[0] if usable else None
    names = [found.name for found in usable]
    if st.session_state.get(FUNCTION) not in names:
        st.session_state[FUNCTION] = info.chosen if info.chosen in names else names[0]
    name: Any = st.selectbox(
        "Function", names, key=FUNCTION, format_func=one_line, help="The file holds several; a reward is one of them."
    )
    return next(found for found in usable if found.name == name)


def callable_html(found: CallableInfo) -> str:
    """A function in a few lines: how it is called and why, and which columns of the data it takes."""
    lines = [
        f'<span class="lab-mono">{as_html(found.name)}{as_html(found.signature)}</span>',
        as_html(found.why) if found.convention else f"✕ {as_html(found.why)}",
    ]
    if found.doc:
        lines.append(f'<span class="lab-muted">{as_html(found.doc)}</span>')
    if found.columns:
        lines.append(f"Needs {plural(len(found.columns), 'column')} of the data: {as_html(', '.join(found.columns))}")
    if found.optional and found.convention != "single":  # there the sentence above says it
        lines.append(f"Takes, where they are there: {as_html(', '.join(found.optional))}")
    if found.is_async:
        lines.append("It is asynchronous and is awaited.")
    return f'<div class="lab-box" style="overflow-wrap:anywhere">{"<br>".join(lines)}</div>'
