"""What a re-score is asked: which reward, with which settings, and where in the run's list it stands."""

import json
from dataclasses import dataclass
from typing import Any, Final, get_args

import streamlit as st

from dashboard import state
from dashboard.text import as_label, one_line
from dashboard.views.form import draw_grid
from dashboard.views.form_model import Control, from_widget, set_value
from dashboard.views.form_rewards import free_name
from dashboard.views.form_state import FormState, params_controls
from dashboard.views.reward_editor import described
from engine.config import RunConfig
from engine.config_io import default_params
from engine.rescore_client import Choose, RescoreRequest
from engine.rewards.python_file import NAME as PYTHON_FILE
from engine.rewards.registry import REWARDS
from engine.rewards.worker.files import RewardFile, list_reward_files
from engine.runs.paths import RunPaths, parse_config_of, rewards_root, runs_root

DRAFTS: Final = "rescore.drafts"  # by run and candidate: the settings that were typed
OF_FILE: Final = ("path", "sha256", "callable", "timeout_s")  # settings of a file that are chosen otherwise
BESIDE: Final = -1
STEPS_WORDS: Final = {"spread": "steps spread over the run", "newest": "the newest steps"}


@dataclass(frozen=True)
class Candidate:
    """A reward to try. `own`: its place in the run's list, where it is one of the run's own."""

    key: str
    label: str
    spec: dict[str, Any]
    own: int | None = None
    file: RewardFile | None = None


def candidates(config: RunConfig) -> dict[str, Candidate]:
    """By key: saved files, then the run's own with other settings, then the library."""
    listed = [spec.model_dump(mode="json") for spec in config.rewards]
    found = [
        Candidate(
            f"file:{file.name}", f"your file {file.name}",
            _spec(PYTHON_FILE, file.name.replace("-", "_"), path=str(file.path), sha256=file.sha256), file=file,
        )
        for file in list_reward_files(rewards_root(runs_root()))
    ]  # fmt: skip
    found += [
        Candidate(f"own:{spec['name']}", f"{spec['name']} of the run, with other settings", _spelled_out(spec), place)
        for place, spec in enumerate(listed)
    ]
    found += [
        Candidate(f"library:{name}", f"{info.label}: {info.help}", _spec(name, name))
        for name, info in REWARDS.items()
        if name != PYTHON_FILE and info.unavailable() is None
    ]
    return {one.key: one for one in found}


def _spec(function: str, name: str, **params: Any) -> dict[str, Any]:
    return {"name": name, "function": function, "weight": 1.0, "params": {**default_params(function), **params}}


def _spelled_out(spec: dict[str, Any]) -> dict[str, Any]:
    return {**spec, "params": {**default_params(str(spec["function"] or spec["name"])), **spec["params"]}}


def choose(paths: RunPaths, config: RunConfig) -> RescoreRequest:
    """The controls, and what they ask. Raises ConfigError when the settings do not fit together."""
    found = candidates(config)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        one = found[_choose_candidate(paths, found)]
        place = _choose_place(paths, config, one)
        weight = 1.0
        if place == BESIDE:
            weight = st.number_input(
                "Weight", -100.0, 100.0, 1.0, 0.1, format="%g", key=f"rescore.{paths.run_id}.weight", width=110,
                persist_state="session",
                help="Its share in the total reward. 0: a monitor, which changes no total.",
            )  # fmt: skip
        steps: Choose = st.selectbox(
            "Completions of", get_args(Choose), format_func=STEPS_WORDS.__getitem__, width=210,
            key=f"rescore.{paths.run_id}.steps", help="About 4,000 completions are scored.", persist_state="session",
        )  # fmt: skip
    spec = _with_settings(paths, one)
    rewards = rewards_with(config, spec, place, weight)
    parse_config_of(paths, with_rewards(config, rewards))
    return RescoreRequest(str(paths.root), rewards, choose=steps)


def _choose_candidate(paths: RunPaths, found: dict[str, Candidate]) -> str:
    """What the URL names, once; else what was chosen last, else the first."""
    key, asked = f"rescore.{paths.run_id}.candidate", f"file:{st.query_params.get(state.FILE, '')}"
    if asked in found and st.session_state.get("rescore.asked") != (paths.run_id, asked):
        st.session_state["rescore.asked"] = (paths.run_id, asked)
        st.session_state[key] = asked
    if st.session_state.get(key) not in found:
        st.session_state[key] = next(iter(found))
    chosen: str = st.selectbox(
        "Score with",
        list(found),
        key=key,
        format_func=lambda name: one_line(found[name].label, 90),
        width=320,
        persist_state="session",
    )
    return chosen


def _choose_place(paths: RunPaths, config: RunConfig, one: Candidate) -> int:
    """Which of the run's rewards it replaces, or that it stands beside them."""
    if one.own is not None:
        return one.own
    places = [*range(len(config.rewards)), BESIDE]
    namesake = next((at for at in places[:-1] if config.rewards[at].name == one.spec["name"]), 0)
    place: int = st.selectbox(
        "In place of", places, namesake, key=f"rescore.{paths.run_id}.place", width=205, persist_state="session",
        format_func=lambda at: "nothing: beside the others" if at == BESIDE else one_line(config.rewards[at].name, 50),
        help="It takes that one's name, weight and conditions, so that the values stand side by side.",
    )  # fmt: skip
    return place


def _with_settings(paths: RunPaths, one: Candidate) -> dict[str, Any]:
    """The reward with the settings that were typed: drawn as in the form for a new run."""
    drafts: dict[str, FormState] = st.session_state.setdefault(DRAFTS, {})
    name = f"rescore.{paths.run_id}.{one.key}"
    form = drafts.setdefault(name, FormState({"rewards": [json.loads(json.dumps(one.spec))]}, "rescore", prefix=name))
    for control in settings_of(form.draft["rewards"][0]):
        if form.key(control.path) in st.session_state:
            set_value(form.draft, control.path, from_widget(control, st.session_state[form.key(control.path)]))
    draw_grid(form, settings_of(form.draft["rewards"][0]), {})
    params = {**form.draft["rewards"][0]["params"]}
    if one.file is not None:
        params |= {**{key: one.spec["params"][key] for key in OF_FILE}, "callable": _function(paths, one.file)}
    return {**one.spec, "params": params}


def settings_of(spec: dict[str, Any]) -> list[Control]:
    """The controls of its settings. Of a file: whether it judges the answer or the form."""
    by_pattern = spec["params"].get("extract") == "regex"  # only then does a pattern say where the answer is
    found = [c for c in params_controls(0, spec) if by_pattern or not c.path.endswith(".answer_pattern")]
    if (spec["function"] or spec["name"]) == PYTHON_FILE:
        return [control for control in found if not control.advanced and control.path.split(".")[-1] not in OF_FILE]
    return found


def _function(paths: RunPaths, file: RewardFile) -> str:
    """The function of a file that holds several; "" for the only one."""
    usable = [found.name for found in described(str(file.path), file.sha256).callables if found.convention]
    if len(usable) < 2:
        return ""
    key = f"rescore.{paths.run_id}.function.{file.name}.{file.sha256[:8]}"
    asked = st.query_params.get(state.REWARD)
    chosen: str = st.selectbox(
        "Function", usable, usable.index(asked) if asked in usable else 0, key=key, format_func=one_line, width=340
    )
    return chosen


def rewards_with(
    config: RunConfig, spec: dict[str, Any], place: int, weight: float = 1.0
) -> tuple[dict[str, Any], ...]:
    """The run's list with this reward at `place` of it, where it takes over the name, or beside the others."""
    listed = [one.model_dump(mode="json") for one in config.rewards]
    function = spec["function"] or spec["name"]
    if place == BESIDE:
        name = free_name(str(spec["name"]), {str(one["name"]) for one in listed})
        return (*listed, {"name": name, "function": function, "weight": weight, "params": spec["params"]})
    own = listed[place]
    listed[place] = {**own, "function": "" if function == own["name"] else function, "params": spec["params"]}
    return tuple(listed)


def with_rewards(config: RunConfig, rewards: tuple[Any, ...]) -> dict[str, Any]:
    """The run's configuration as JSON with this list; the reward that decides stays, if it is in it."""
    raw = config.model_dump(mode="json")
    if raw["evaluation"]["pass_reward"] not in [spec.get("name") for spec in rewards]:
        raw["evaluation"]["pass_reward"] = None
    return {**raw, "rewards": [dict(spec) for spec in rewards]}


def problem_words(problems: list[Any]) -> str:
    return as_label("; ".join(str(problem) for problem in problems[:3]), 1000)
