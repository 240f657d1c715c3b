"""Runs with the user's own function: scored as by the library, copied into the run, and ended by failures."""

import json
import shutil
from operator import ge
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from engine.analysis.logged import logged_means
from engine.config import RunConfig
from engine.config_io import parse_config
from engine.errors import ConfigError, RewardError
from engine.models.load import load_policy
from engine.runs import launch
from engine.runs.control import request_stop
from engine.runs.fork import fork_run
from engine.runs.launch import start_run
from engine.runs.paths import RunPaths, read_config
from engine.runs.reader import RunReader
from engine.train.loop import run_engine
from tests.toy import toy_config

FILES = Path(__file__).parents[2] / "reward_files"


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "spawn", lambda *_, **__: None)


def own(path: Path, name: str = "own", weight: float = 1.0, **params: Any) -> dict[str, Any]:
    return {"name": name, "function": "python_file", "weight": weight, "params": {"path": str(path), **params}}


def config_with(*rewards: dict[str, Any], **sections: Any) -> RunConfig:
    return parse_config({**toy_config(**sections).model_dump(mode="json"), "rewards": list(rewards)})


def made(root: Path, config: RunConfig) -> RunPaths:
    return RunPaths(root / start_run(root, config).run_id)


def completions_of(paths: RunPaths) -> Any:
    reader = RunReader(paths.db)
    return [reader.completions(step) for step in reader.steps()["step"].tolist()]


def values(frame: Any, name: str) -> list[Any]:
    return [None if row[name] is None or np.isnan(row[name]) else row[name] for row in frame["rewards"]]


def weights_of(paths: RunPaths) -> dict[str, np.ndarray]:
    return load_file(max(paths.checkpoints.glob("step-*")) / "policy.safetensors")


def write(folder: Path, source: str, name: str = "mine.py") -> Path:
    (folder / name).write_text(source)
    return folder / name


def test_files_written_for_trl_and_verl_score_as_the_library_does(tmp_path: Path) -> None:
    config = config_with(
        {"name": "exact_match"},
        own(FILES / "trl_style.py", "trl", 0.0, callable="accuracy_reward"),
        own(FILES / "trl_style.py", "length", 0.0, callable="length_reward", kind="format"),
        own(FILES / "verl_style.py", "verl", 0.0),
    )
    paths = made(tmp_path, config)
    assert run_engine(paths) == "finished"
    for frame in completions_of(paths):
        assert values(frame, "trl") == values(frame, "exact_match")
        assert all(map(ge, values(frame, "verl"), values(frame, "exact_match")))  # it looks for a number anywhere
        assert values(frame, "length") == frame["length"].tolist()


@pytest.mark.slow
def test_the_embedded_model_trains_on_them_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.train.session.load_policy", load_policy)
    short = {"optim": {"max_steps": 2}, "evaluation": {"every": 2, "num_prompts": 4}, "checkpoint": {"every": 2}}
    rewards = [own(FILES / "trl_style.py", "trl", callable="accuracy_reward"), own(FILES / "verl_style.py", "verl")]
    paths = made(tmp_path, config_with(*rewards, **short))
    assert run_engine(paths) == "finished"
    for frame in completions_of(paths):
        assert {*values(frame, "trl"), *values(frame, "verl")} <= {0.0, 1.0}
        assert frame["passed"].tolist() == values(frame, "trl")
        assert all(errors == {} for errors in frame["errors"])


HARMFUL = """
import os, random, sys, time
random.seed(1)
def reward(completions, **kwargs):
    random.random(), os.urandom(1), print("x" * 1000)
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)
    completions[1:] = []
    return ["one that fails"] + [1.0] * 7
"""


@pytest.mark.slow
def test_a_harmful_monitor_changes_no_weight_and_no_token(tmp_path: Path) -> None:
    once = {"evaluation": {"every": 6, "num_prompts": 8}}
    harmful = own(write(tmp_path, HARMFUL), weight=0.0, kind="format")
    alone = made(tmp_path, config_with({"name": "digit_match"}, **once))
    beside = made(tmp_path, config_with({"name": "digit_match"}, harmful, **once))
    assert run_engine(alone) == run_engine(beside) == "finished"
    for name, weight in weights_of(alone).items():
        np.testing.assert_array_equal(weight, weights_of(beside)[name])
    for first, second in zip(completions_of(alone), completions_of(beside), strict=True):
        assert first["text"].tolist() == second["text"].tolist()
        assert values(second, "own") == [None, *[1.0] * 7]


FLAKY = """
def reward(completions, trainer_state, **kwargs):
    if trainer_state.global_step == 1:
        raise OSError("the network was away for a moment")
    return [float(len(c)) for c in completions]
"""


def test_one_failed_step_is_a_warning_and_the_run_goes_on(tmp_path: Path) -> None:
    paths = made(tmp_path, config_with(own(write(tmp_path, FLAKY))))
    assert run_engine(paths) == "finished"
    events = RunReader(paths.db).events()
    (message,) = events["message"][events["kind"] == "reward-missing"]
    assert message == (
        "own failed for 8 of 8 completions; the first: raised OSError: the network was away for a moment "
        "(mine.py, line 4)"
    )
    missing = [values(frame, "own").count(None) for frame in completions_of(paths)]
    assert missing == [0, 8, 0, 0, 0, 0]


def test_a_completion_of_which_a_trained_reward_failed_has_no_total_and_teaches_nothing(tmp_path: Path) -> None:
    paths = made(tmp_path, config_with({"name": "exact_match"}, own(write(tmp_path, FLAKY))))
    assert run_engine(paths) == "finished"
    second = RunReader(paths.db).completions(2)
    assert second["total"].isna().all() and (second["advantage"] == 0).all()
    reasons = {errors["exact_match"] for errors in second["errors"]}
    assert reasons == {"it counts only together with own, which failed"}
    assert all(raw["exact_match"] in (0.0, 1.0) for raw in second["raw"])  # what it gave is kept
    metrics = RunReader(paths.db).steps().set_index("step")
    assert metrics["reward_error_rate"].tolist() == [0, 0.5, 0, 0, 0, 0]  # own failed, exact_match did not


def test_a_reward_that_keeps_failing_ends_the_run_with_its_first_tracebacks(tmp_path: Path) -> None:
    source = "def reward(completions, **kwargs):\n    return [len(c) / 0 for c in completions]\n"
    paths = made(tmp_path, config_with(own(write(tmp_path, source))))
    with pytest.raises(RewardError) as caught:
        run_engine(paths)
    told = str(caught.value)
    assert told.startswith("Step 2: reward 'own' failed for 16 of 16 completions of the last 2 steps.")
    assert '  File "mine.py", line 2, in <listcomp>\n    return [len(c) / 0 for c in completions]' in told
    assert told.count("Traceback") == 1 and "Correct it, then clone or fork the run." in told
    events = RunReader(paths.db).events()
    assert events["message"][events["kind"] == "failed"].tolist() == [told]


LOGS = """
def reward(completions, trainer_state, log_metric, **kwargs):
    log_metric("step, <b>twice</b>", 2.0 * trainer_state.global_step)
    log_metric("bad", float("inf"))
    return [float(len(c)) for c in completions]
"""


def test_what_a_reward_logs_is_stored_by_step_and_what_is_no_number_is_said_once(tmp_path: Path) -> None:
    paths = made(tmp_path, config_with(own(write(tmp_path, LOGS))))
    assert run_engine(paths) == "finished"
    reader = RunReader(paths.db)
    logged = logged_means(reader.steps()["rewards"].tolist())
    assert logged.to_dict("list") == {"step, <b>twice</b>": [0, 2, 4, 6, 8, 10]}
    told = "own gave 'bad' to log_metric a value that is left out: returned inf, not a finite number"
    assert reader.messages("metric-refused") == [told]


ALWAYS_FAILS = "def reward(completions, **kwargs):\n    return [len(c) / 0 for c in completions]\n"


def test_a_monitor_that_keeps_failing_is_said_once_and_the_run_learns_on(tmp_path: Path) -> None:
    failing = own(write(tmp_path, ALWAYS_FAILS), name="seen", weight=0.0)
    paths = made(tmp_path, config_with({"name": "digit_match"}, failing))
    assert run_engine(paths) == "finished"
    reader = RunReader(paths.db)
    (message,) = reader.messages("monitor-fails")
    assert message.startswith("The monitor 'seen' failed for 16 of 16 completions of the last 2 steps.")
    assert message.endswith("The first: raised ZeroDivisionError: division by zero (mine.py, line 2)")
    for frame in completions_of(paths):
        assert values(frame, "seen") == [None] * 8 and not frame["total"].isna().any()
        assert all("ZeroDivisionError" in errors["seen"] for errors in frame["errors"])


def test_a_monitor_that_is_a_gate_ends_the_run_as_a_trained_reward_does(tmp_path: Path) -> None:
    gate = own(write(tmp_path, ALWAYS_FAILS), name="bar", weight=0.0)
    paths = made(tmp_path, config_with({"name": "digit_match", "gate": "bar"}, gate))
    with pytest.raises(RewardError, match="Step 2: reward 'bar' failed for 16 of 16"):
        run_engine(paths)


def test_before_its_weight_begins_a_failing_reward_takes_nothing_with_it_and_then_ends_the_run(tmp_path: Path) -> None:
    late = {**own(write(tmp_path, ALWAYS_FAILS), name="late", weight=0.0), "final_weight": 1.0, "weight_from": 3}
    paths = made(tmp_path, config_with({"name": "digit_match"}, late))
    with pytest.raises(RewardError, match="Step 5: reward 'late' failed for 16 of 16"):
        run_engine(paths)
    totals = [frame["total"].isna().sum() for frame in completions_of(paths)]
    assert totals == [0, 0, 0, 8]


@pytest.mark.slow
def test_a_resumed_run_and_a_fork_use_the_copy_whatever_became_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "def reward(completion):\n    return len(completion)\n")
    every = {"checkpoint": {"every": 1, "keep": 6}}
    parent = made(tmp_path / "runs", config_with(own(path), **every))
    copies = [file.name for file in parent.rewards.iterdir()]
    sha256 = read_config(parent).rewards[0].params["sha256"]
    assert copies == [f"{sha256[:16]}.py"]
    path.write_text("def reward(completion):\n    return -100.0\n")
    assert run_engine(parent) == "finished"
    path.unlink()
    fork = RunPaths(tmp_path / "runs" / fork_run(tmp_path / "runs", parent.run_id, 3, read_config(parent)).run_id)
    clone = RunPaths(tmp_path / "runs" / fork_run(tmp_path / "runs", parent.run_id, 0, read_config(parent)).run_id)
    shutil.rmtree(parent.root)
    for paths in (fork, clone):
        assert run_engine(paths) == "finished"
        assert all(min(values(frame, "own")) >= 0 for frame in completions_of(paths))


def test_a_copy_that_was_changed_is_refused(tmp_path: Path) -> None:
    paths = made(tmp_path, config_with(own(write(tmp_path, "def reward(completion):\n    return 1.0\n"))))
    (copy,) = paths.rewards.iterdir()
    copy.write_text("def reward(completion):\n    return 2.0\n")
    with pytest.raises(RewardError, match=r"mine.py has changed: its sha256 is [0-9a-f]{64}, and [0-9a-f]{64} was"):
        run_engine(paths)


def test_a_file_with_another_content_than_the_configuration_names_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "def reward(completion):\n    return 1.0\n")
    with pytest.raises(ConfigError) as caught:
        start_run(tmp_path, config_with(own(path, sha256="0" * 64)))
    (problem,) = caught.value.problems
    assert problem.field == "rewards[0].params.sha256" and "0" * 64 in problem.message and "empty" in problem.hint


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.mkdir(), "is a folder, not a file"),
        (lambda path: __import__("os").mkfifo(path), "is a pipe, not a file"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not UTF-8 text"),
        (lambda path: path.write_bytes(b"#" * (2**20 + 1)), "has 1,048,577 bytes"),
        (lambda path: None, "No such file or directory"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device, not a file"),
    ],
)
def test_what_is_no_reward_file_is_refused_before_the_run_is_made(make: Any, told: str, tmp_path: Path) -> None:
    make(tmp_path / "mine.py")
    with pytest.raises(ConfigError, match=told):
        start_run(tmp_path / "runs", config_with(own(tmp_path / "mine.py")))
    assert not list((tmp_path / "runs").glob("run-*"))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import nothing_of_this_name\n", "could not be loaded: raised ModuleNotFoundError"),
        ("def reward(completions, level, **kwargs): return []\n", "takes the column 'level', which the data does not"),
        ("def a(completions): pass\ndef b(completions): pass\n", "several functions that can be the reward: a, b"),
    ],
)
def test_a_file_that_cannot_score_this_data_ends_the_run_before_it_begins(
    source: str, told: str, tmp_path: Path
) -> None:
    paths = made(tmp_path, config_with(own(write(tmp_path, source))))
    with pytest.raises(RewardError, match=told):
        run_engine(paths)
    assert json.loads(paths.config.read_text())["rewards"][0]["params"]["path"] == str(tmp_path / "mine.py")


def test_a_stop_is_heard_while_a_reward_hangs(tmp_path: Path) -> None:
    source = (
        "import pathlib, time\n"
        "def reward(completion):\n"
        f"    stop = pathlib.Path({str(tmp_path / 'stop')!r}).read_text()\n"
        "    pathlib.Path(stop).touch()\n"
        "    time.sleep(1000)\n"
    )
    paths = made(tmp_path, config_with(own(write(tmp_path, source), timeout_s=600.0)))
    request_stop(paths)
    (request,) = paths.control.iterdir()
    request.unlink()
    (tmp_path / "stop").write_text(str(request))
    assert run_engine(paths) == "stopped"
