"""The check of a reward: which one, on which data, its progress, and what was found, row by row."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import streamlit as st

from dashboard import state
from dashboard.text import as_html, as_label, one_line
from dashboard.views.form_rewards import LIST
from dashboard.views.form_sections import data_summary
from dashboard.views.form_state import FormState, form_state
from dashboard.views.reward_board_html import board_html, evidence_html, finding_head, headline, holes_first
from dashboard.views.reward_use import file_spec, use_in_new_run
from dashboard.views.task_progress import task_progress
from dashboard.wording import plural
from engine.config import ModelConfig, RunConfig
from engine.config_io import dump_config, parse_config
from engine.errors import ConfigError, LabError
from engine.file_stamps import stamps_of
from engine.models.catalog import EMBEDDED
from engine.reward_check.client import CheckRequest, ChildTask, Finding, RewardCheck, start_check
from engine.rewards.worker.files import RewardFile, list_reward_files
from engine.runs.paths import RunPaths, list_runs, read_config, rewards_root, runs_root
from engine.runs.process import started_in

TASK: Final = "rewards.task"  # (key, task) of the check under way
FOUND: Final = "rewards.found"  # (key, result) of the last one
WHICH: Final = "rewards.which"  # place of the reward that is chosen
NOW: Final = "rewards.check_now"  # the check is to begin as soon as the view is drawn: IF_NEW or AGAIN
IF_NEW, AGAIN = "if it is not answered yet", "again"
ASKED: Final = "rewards.which_asked"  # what the URL named when it was
TICK_S: Final = 0.5
NUM_RUNS: Final = 30  # whose data are offered
OF_FORM: Final = ""


@dataclass(frozen=True)
class Choice:
    """A reward that can be checked: a function of a saved file, or one of the new run's list."""

    label: str
    spec: dict[str, Any]
    file: RewardFile | None = None
    function: str = ""

    def is_at(self, file: str, reward: str) -> bool:
        """Whether the URL means this one: by its file, else by its name in the list."""
        return self.file.name == file if self.file and file else not file and bool(self.spec["name"] == reward)


@dataclass(frozen=True)
class Asked:
    """One check: the configuration with this reward alone, where its relative paths begin, and its data's times."""

    request: CheckRequest
    cwd: Path | None
    data: str

    @property
    def key(self) -> str:
        return hashlib.sha256(f"{self.request.to_json()}{self.data}".encode()).hexdigest()


def check_view() -> None:
    form = form_state()
    choices = reward_choices(form)
    if not choices:
        st.info("There is no reward to check: the new run has none, and no file is saved.", icon=":material/info:")
        st.button("Write one", icon=":material/edit:", on_click=state.set_in_url, kwargs={state.VIEW: None})
        return
    _follow_url(choices)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choice = _choose_reward(choices)
        asked = _choose_data(form, choice)
        _start_if_wanted(asked)
        st.button(
            "Check", key="rewards.check", icon=":material/fact_check:", type="primary", on_click=_check_again,
            disabled=asked is None or TASK in st.session_state,
        )  # fmt: skip
    if TASK in st.session_state:
        _progress()
        return
    _draw_found(asked, choice)


def check_now(file: RewardFile, function: str) -> None:
    """A callback: go to the check of this file, and begin it."""
    st.session_state[NOW] = IF_NEW
    state.set_in_url(**{state.VIEW: "check", state.FILE: file.name, state.REWARD: function or None})


def _check_again() -> None:
    """A callback: it only says so, for what it would ask is as old as the page that was clicked."""
    st.session_state[NOW] = AGAIN


def _start_if_wanted(asked: Asked | None) -> None:
    """Begin the check that was asked for, once there is something to check and no other check under way."""
    if asked is None or TASK in st.session_state or not (wanted := st.session_state.pop(NOW, "")):
        return
    if wanted == AGAIN or st.session_state.get(FOUND, ("",))[0] != asked.key:
        st.session_state[TASK] = (asked.key, start_check(asked.request, cwd=asked.cwd))


def reward_choices(form: FormState) -> list[Choice]:
    """Saved files first, then the rewards of the new run."""
    files = [
        Choice(f"your file {file.name}", file_spec(file, "", file.name), file)
        for file in list_reward_files(rewards_root(runs_root()))
    ]
    listed = [Choice(f"{spec['name']} of the new run", _plain(spec)) for spec in form.value(LIST, [])]
    return [*files, *listed]


def _plain(spec: dict[str, Any]) -> dict[str, Any]:
    """The reward by itself: what it gives, whatever it counts for."""
    return {key: spec[key] for key in ("name", "function", "params") if key in spec}


def _asked() -> tuple[str, str]:
    """File and reward that the URL names."""
    return st.query_params.get(state.FILE, ""), st.query_params.get(state.REWARD, "")


def _follow_url(choices: list[Choice]) -> None:
    """Choose what the URL names, until another one is chosen; what is not there is said, and the first one taken."""
    here = _asked()
    if st.session_state.get(ASKED) != here or WHICH not in st.session_state:  # another view does not keep the choice
        place = next((place for place, choice in enumerate(choices) if choice.is_at(*here)), None)
        if place is None and any(here):
            what = f"reward file {here[0]}" if here[0] else f"reward {here[1]} in the new run"
            st.warning(f"There is no {as_label(what)}. Choose another one.", icon=":material/warning:")
            state.set_in_url(**{state.FILE: None, state.REWARD: None})
        st.session_state[ASKED], st.session_state[WHICH] = _asked(), place or 0
    if not 0 <= st.session_state[WHICH] < len(choices):
        st.session_state[WHICH] = 0


def _choose_reward(choices: list[Choice]) -> Choice:
    asked_file, asked = _asked()
    place = st.selectbox(
        "Reward",
        range(len(choices)),
        key=WHICH,
        format_func=lambda place: one_line(choices[place].label, 80),
        width=320,
    )
    choice = choices[place or 0]
    if choice.file is not None and choice.file.name == asked_file and asked:
        name = choice.spec["name"]
        return Choice(f"{choice.label}, {asked}", file_spec(choice.file, asked, str(name)), choice.file, asked)
    return choice


def _choose_data(form: FormState, choice: Choice) -> Asked | None:
    """The data to try it on: those of the new run, or of a run that there is."""
    runs = {paths.run_id: paths for paths in list_runs(runs_root())[:NUM_RUNS]}
    run_id = st.selectbox(
        "Data and prompts of", [OF_FORM, *runs], key="rewards.data", width=420,
        format_func=lambda run_id: one_line(run_id or f"the new run: {data_summary(form.draft)}", 60),
        help="The check takes reference answers from these rows, and writes them as this run asks for them.",
    )  # fmt: skip
    try:
        return asked_of_run(runs[run_id], choice) if run_id in runs else asked_of_form(form, choice)
    except ConfigError as error:
        st.session_state["rewards.problem"] = "; ".join(str(problem) for problem in error.problems[:3])
    except LabError as error:
        st.session_state["rewards.problem"] = str(error)
    return None


def asked_of_form(form: FormState, choice: Choice) -> Asked:
    """Raises ConfigError when the form has no data that could be used, or the reward's settings are wrong."""
    draft = {**form.draft, "rewards": [choice.spec]}
    draft["evaluation"] = {**draft.get("evaluation", {}), "pass_reward": None}
    return _asked_of(parse_config(draft), choice, None)


def asked_of_run(paths: RunPaths, choice: Choice) -> Asked:
    config = read_config(paths).model_dump(mode="json")
    config["evaluation"]["pass_reward"] = None
    return _asked_of(parse_config({**config, "rewards": [choice.spec]}), choice, started_in(paths))


def _asked_of(config: RunConfig, choice: Choice, cwd: Path | None) -> Asked:
    """A file is named with its content, and data and judges with their times: a change makes another question of it."""
    spec = config.rewards[0]
    if choice.file is not None:
        spec = spec.model_copy(update={"params": {**spec.params, "sha256": choice.file.sha256}})
        config = config.model_copy(update={"rewards": (spec,)})
    of_reward = config.model_copy(update={"model": ModelConfig(source=EMBEDDED)})  # the policy is not asked
    return Asked(CheckRequest(dump_config(config), spec.name), cwd, str(stamps_of(of_reward, cwd)))


@st.fragment(run_every=TICK_S)
def _progress() -> None:
    """How far the check is, twice a second, until it has ended."""
    if TASK not in st.session_state:
        st.rerun(scope="app")
    key, task = st.session_state[TASK]
    if task.finished:
        _finish(key, task)
    doing = f"Tries {task.progress.doing}" if task.progress.doing else "Starting a process"
    task_progress(task, doing, TASK, "rewards.cancel")


def _finish(key: str, task: ChildTask[RewardCheck]) -> None:
    st.session_state[FOUND] = (key, task.result())
    st.session_state.pop(TASK, None)
    st.rerun(scope="app")


def _draw_found(asked: Asked | None, choice: Choice) -> None:
    if asked is None:
        st.error(as_label(st.session_state.get("rewards.problem", ""), 1000), icon=":material/error:")
        st.caption("The new run's settings have to be whole first; or choose the data of a run.")
        return
    key, found = st.session_state.get(FOUND, ("", None))
    if found is None:
        st.caption(
            "Tries the reward on rows of these data: right answers, which have to earn its maximum, and ways to earn "
            "it without solving anything. Takes a few seconds."
        )
        return
    if key != asked.key:
        st.warning(
            "What follows is of an earlier check: the reward, its file or the data changed since.",
            icon=":material/history:",
        )
    draw_check(found, choice if key == asked.key else None)


def _draw_ways_on(found: RewardCheck, choice: Choice) -> None:
    """To the new run, or back to the text: the likelier one first."""
    if (file := choice.file) is None:
        return
    back = {state.VIEW: None, state.FILE: file.name, state.REWARD: None}
    ways = [
        ("Use in a new run", "use_checked", "rocket_launch", lambda: use_in_new_run(file, choice.function)),
        ("Edit it", "edit", "edit", lambda: state.set_in_url(**back)),
    ]
    if headline(found)[0] == "failed":
        ways.reverse()
    with st.container(horizontal=True):
        for place, (label, key, icon, go) in enumerate(ways):
            kind: Literal["primary", "secondary"] = "secondary" if place else "primary"
            st.button(label, key=f"rewards.{key}", icon=f":material/{icon}:", type=kind, on_click=go)


def _draw_finding(finding: Finding) -> None:
    st.html(finding_head(finding))
    if finding.evidence:
        with st.expander(f"Show {plural(len(finding.evidence), 'row')}", key=f"rewards.finding.{finding.name}"):
            st.html(evidence_html(finding.evidence))


def draw_check(found: RewardCheck, choice: Choice | None = None) -> None:
    """The verdict in a sentence, the ways on from it, the questions one by one, and the board of strategies.

    choice: the reward it is about, where that is still what is chosen.
    """
    tone, sentence = headline(found)
    {"ok": st.success, "warning": st.warning, "failed": st.error}[tone](as_label(sentence, 1000))
    if found.problem:
        return
    if choice is not None:
        _draw_ways_on(found, choice)
    st.caption(
        as_label(
            f"{plural(found.num_completions, 'completion')} in {plural(found.num_calls, 'call')}, "
            f"{found.seconds:.1f} s, on {found.data}. Answers were written {found.form}.",
            500,
        )
    )
    st.subheader("Questions", anchor=False)
    good = [finding for finding in found.findings if finding.verdict in ("ok", "not applicable")]
    for finding in found.findings:
        if finding not in good:
            _draw_finding(finding)
    with st.expander(f"{plural(len(good), 'question')} with nothing to remark", key="rewards.good"):
        for finding in good:
            _draw_finding(finding)
    if found.board:
        st.subheader("Ways to earn it without solving the task", anchor=False)
        st.caption(
            "Each was tried on rows of the data. Look for holes: a policy finds what pays without solving the task. "
            "Above half: the share of tries that earn more than the middle of the reward's range."
        )
        st.html(board_html(found))
        with st.expander("What was written, and what it earned", key="rewards.board_rows"):
            for score in holes_first(found.board):
                if score.evidence:
                    st.html(f"<b>{as_html(score.label)}</b>{evidence_html(score.evidence)}")
