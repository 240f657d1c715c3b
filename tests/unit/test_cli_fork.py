"""`grpo-lab fork` and `tag`: which checkpoint, which settings, and what is refused before anything is made."""

from pathlib import Path

import pytest

from engine.cli import main
from engine.cli_fork import with_settings
from engine.config_io import dump_config
from engine.errors import ConfigError
from engine.runs import launch
from engine.runs.best import Best, write_best
from engine.runs.lineage import read_origin
from engine.runs.notes import Notes, read_notes
from engine.runs.paths import RunPaths, list_runs, read_config
from tests.unit.runs.test_fork import with_checkpoints


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path))
    monkeypatch.setattr(launch, "spawn", lambda *_args, **_options: None)
    monkeypatch.setattr("engine.cli._follow", lambda paths: 0)
    return with_checkpoints(tmp_path, 10, 15)


def child(parent: RunPaths) -> RunPaths:
    (found,) = [paths for paths in list_runs(parent.root.parent) if paths.run_id != "parent"]
    return found


def forked_at(parent: RunPaths) -> int:
    origin = read_origin(child(parent))
    assert origin is not None
    return origin.step


def test_a_fork_goes_on_from_the_newest_checkpoint_with_the_settings_given(parent: RunPaths) -> None:
    assert main(["fork", "parent", "--set", "loss.beta=0.5", "--set", "rewards[1].weight=0"]) == 0
    config = read_config(child(parent))
    assert (config.loss.beta, config.rewards[1].weight, config.name) == (0.5, 0, "parent 2")
    assert forked_at(parent) == 15


def test_the_step_the_best_and_the_name_can_be_chosen(parent: RunPaths) -> None:
    write_best(parent.checkpoints, Best(10, "pass_at_1", 0.5))
    assert main(["fork", "parent", "--best", "--name", "7"]) == 0
    assert (forked_at(parent), read_config(child(parent)).name) == (10, "7")


def test_settings_can_come_from_a_file(parent: RunPaths, tmp_path: Path) -> None:
    config = with_settings(read_config(parent), ["loss.beta=0.25", "name=from a file"])
    (file := tmp_path / "config.json").write_text(dump_config(config))
    assert main(["fork", "parent", "--step", "10", "--config", str(file)]) == 0
    assert (read_config(child(parent)).loss.beta, read_config(child(parent)).name) == (0.25, "from a file")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--step", "12"], 7, "parent has no checkpoint of step 12. Kept are: 10, 15."),
        (["--best"], 7, "no checkpoint was kept as the best"),
        (["--set", "loss.bta=1"], 2, "loss.bta: is not a setting. Did you mean 'beta'?"),
        (["--set", "loss.beta"], 2, "'loss.beta' is no setting with a value"),
        (["--set", "loss.beta=much"], 2, "loss.beta: 'much' is not accepted"),
        (["--set", "rewards[7].weight=1"], 2, "rewards[7].weight: is not a setting."),
        (["--set", "loss.beta.more=1"], 2, "loss.beta.more: is not a setting."),
        (["--set", "model.lora_rank=4"], 2, "model.lora_rank: 4 cannot go on from a checkpoint of 16."),
        (["--set", "optim.max_steps=15"], 2, "15 is not more than 15, the step that the fork starts from."),
    ],
)
def test_what_cannot_be_is_one_sentence_and_makes_no_run(
    parent: RunPaths, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert main(["fork", "parent", *arguments]) == code
    assert words in capsys.readouterr().err
    assert [paths.run_id for paths in list_runs(parent.root.parent)] == ["parent"]


def test_a_run_without_checkpoints_says_what_to_do(
    parent: RunPaths, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with_checkpoints(tmp_path, run_id="bare")
    assert main(["fork", "bare"]) == 7
    assert "bare has no checkpoint to go on from. --step 0 trains from the beginning." in capsys.readouterr().err


def test_a_value_that_is_no_json_is_text(parent: RunPaths) -> None:
    changed = with_settings(read_config(parent), ["optim.lr_scheduler_type=cosine", "checkpoint.keep=3"])
    assert (changed.optim.lr_scheduler_type, changed.checkpoint.keep) == ("cosine", 3)
    with pytest.raises(ConfigError):
        with_settings(changed, ["checkpoint.keep=[[[[" + "[" * 100_000])


def test_tags_notes_and_pins_are_added_and_taken_away(parent: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "parent", "good", "kept", "--note", "why\x1b[2J", "--pin"]) == 0
    assert read_notes(parent) == Notes(("good", "kept"), "why\x1b[2J", pinned=True)
    assert capsys.readouterr().out == "pinned, tags: good, kept\nwhy\\x1b[2J\n"
    assert main(["tag", "parent", "--remove", "good", "--unpin"]) == 0
    assert read_notes(parent) == Notes(("kept",), "why\x1b[2J")
    assert main(["tag", "parent", "x" * 31]) == 1
    assert "has 31 characters" in capsys.readouterr().err
