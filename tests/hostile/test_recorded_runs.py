"""Folders that are no run of TRL, or a damaged one: refused in words, and nothing is left in the runs folder."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from engine.errors import LabError
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.trl.import_run import import_run

RECORDED = Path(__file__).parents[1] / "trl_runs" / "two_rewards"
FIRST = "completions/completions_00001.parquet"


def rewritten(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / FIRST
        change(pd.read_parquet(path)).to_parquet(path)

    return apply


def without(column: str) -> Callable[[Path], None]:
    return rewritten(lambda rows: rows.drop(columns=[column]))


DAMAGED: dict[str, Callable[[Path], None]] = {
    "no parquet": lambda folder: (folder / FIRST).write_bytes(b"PAR1" * 40) and None,
    "no prompts": without("prompt"),
    "no advantages": without("advantage"),
    "numbers for texts": rewritten(lambda rows: rows.assign(completion=1.5)),
    "words for advantages": rewritten(lambda rows: rows.assign(advantage="much")),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_folder_is_refused_in_words_and_leaves_nothing(name, tmp_path):
    folder, root = tmp_path / "from", tmp_path / "runs"
    root.mkdir()
    shutil.copytree(RECORDED, folder)
    DAMAGED[name](folder)
    with pytest.raises(LabError) as refusal:
        import_run(root, folder)
    assert str(folder) in str(refusal.value) or "completions_00001" in str(refusal.value)
    assert [path for path in root.iterdir() if not path.name.startswith(".launch")] == []


@pytest.mark.parametrize(
    "state", ["{", "[]", '{"log_history": 3}', '{"log_history": [{"step": "x", "loss": []}]}', "[" * 5000]
)
def test_a_broken_log_is_refused_by_name_with_how_to_go_on_without_it(state, tmp_path):
    folder, root = tmp_path / "from", tmp_path / "runs"
    root.mkdir()
    shutil.copytree(RECORDED, folder)
    (folder / "checkpoint-6" / "trainer_state.json").write_text(state)
    with pytest.raises(LabError, match=re.escape("trainer_state.json")) as refusal:
        import_run(root, folder)
    assert refusal.value.hint == "Move the file away to import the completions alone."


def test_missing_and_infinite_numbers_are_missing_and_hostile_text_is_kept_to_the_letter(tmp_path):
    folder, root = tmp_path / "from", tmp_path / "runs"
    root.mkdir()
    shutil.copytree(RECORDED, folder)
    wild = "<script>1</script>\x00\u202e" + "x" * 100_000

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[0, "exact"], rows.loc[1, "exact"] = float("nan"), float("inf")
        rows.loc[2, "completion"] = wild
        return rows

    rewritten(change)(folder)
    stored = RunReader(RunPaths(root / import_run(root, folder).run_id).db).completions(1)
    assert [row["exact"] for row in stored["rewards"][:2]] == [None, None]
    assert stored["text"][2] == wild


def test_the_log_of_a_run_is_read_within_limits(tmp_path):
    folder, root = tmp_path / "from", tmp_path / "runs"
    root.mkdir()
    shutil.copytree(RECORDED, folder)
    state = folder / "checkpoint-6" / "trainer_state.json"
    raw = json.loads(state.read_text())
    raw["log_history"].append({"step": 6, "made/up": 1.0, "reward": "high", "kl": None})
    state.write_text(json.dumps(raw))
    assert len(RunReader(RunPaths(root / import_run(root, folder).run_id).db).steps()) == 6


def test_without_completions_the_numbers_of_the_log_are_a_run_still(tmp_path):
    folder, root = tmp_path / "from", tmp_path / "runs"
    root.mkdir()
    shutil.copytree(RECORDED, folder)
    shutil.rmtree(folder / "completions")
    reader = RunReader(RunPaths(root / import_run(root, folder).run_id).db)
    assert len(reader.steps()) == 6 and reader.groups(1).empty


def test_a_column_of_lists_is_no_reward(tmp_path):
    folder, root = tmp_path / "from", tmp_path / "runs"
    root.mkdir()
    shutil.copytree(RECORDED, folder)
    for number in range(1, 7):
        path = folder / "completions" / f"completions_0000{number}.parquet"
        rows = pd.read_parquet(path)
        rows.assign(exact=[[1.0]] * len(rows)).to_parquet(path)
    stored = RunReader(RunPaths(root / import_run(root, folder).run_id).db).completions(1)
    assert set(stored["rewards"][0]) == {"digits"}


def copied(tmp_path: Path) -> tuple[Path, Path]:
    folder, root = tmp_path / "from", tmp_path / "runs"
    root.mkdir()
    shutil.copytree(RECORDED, folder)
    return folder, root


@pytest.mark.parametrize("advantage", [float("nan"), float("inf"), 1e300])
def test_an_advantage_that_is_no_usable_number_is_refused_with_its_row(advantage, tmp_path):
    folder, root = copied(tmp_path)
    rewritten(lambda rows: rows.assign(advantage=[0.0] * 2 + [advantage] + [0.0] * (len(rows) - 3)))(folder)
    with pytest.raises(LabError, match=r"completions_00001.parquet, row 3: the advantage is"):
        import_run(root, folder)


def test_a_file_without_rows_is_refused(tmp_path):
    folder, root = copied(tmp_path)
    rewritten(lambda rows: rows.iloc[:0])(folder)
    with pytest.raises(LabError, match=r"completions_00001.parquet has no rows"):
        import_run(root, folder)


def test_rewards_too_large_to_be_stored_are_missing_and_say_so(tmp_path):
    folder, root = copied(tmp_path)
    rewritten(lambda rows: rows.assign(exact=[1e300] + [0.0] * (len(rows) - 1)))(folder)
    first = RunReader(RunPaths(root / import_run(root, folder).run_id).db).completions(1).iloc[0]
    assert first["rewards"]["exact"] is None and first["errors"] == {"exact": "too large or infinite in TRL's file"}


@pytest.mark.parametrize("special", ["pipe", "endless", "dangling"])
def test_what_is_no_file_is_refused_before_it_is_opened(special, tmp_path):
    folder, root = copied(tmp_path)
    (folder / FIRST).unlink()
    if special == "pipe":
        os.mkfifo(folder / FIRST)
    else:
        (folder / FIRST).symlink_to("/dev/zero" if special == "endless" else folder / "nothing")
    with pytest.raises(LabError, match=r"completions_00001.parquet is not a file"):
        import_run(root, folder)


def test_a_readme_that_is_a_pipe_is_not_opened(tmp_path):
    folder, root = copied(tmp_path)
    (folder / "README.md").unlink()
    os.mkfifo(folder / "README.md")
    assert import_run(root, folder).run_id


def test_names_that_are_no_text_are_replaced(tmp_path):
    folder, root = copied(tmp_path)
    state = folder / "checkpoint-6" / "trainer_state.json"
    raw = json.loads(state.read_text())
    raw["log_history"].append({"step": 6, "\ud800x": 1.0})
    state.write_text(json.dumps(raw))
    assert any("?x" in sentence for sentence in import_run(root, folder).missing)
    odd = folder.rename(os.fsdecode(os.fsencode(tmp_path) + b"/od\xff"))
    assert "od" in import_run(root, odd, again=True).run_id


def test_a_log_larger_than_the_limit_is_refused_unread(tmp_path, monkeypatch):
    folder, root = copied(tmp_path)
    monkeypatch.setattr("engine.trl.recorded_log.MAX_STATE_BYTES", 100)
    with pytest.raises(LabError, match=r"trainer_state.json has [\d,]+ bytes, more than 100"):
        import_run(root, folder)


def test_more_rows_of_a_prompt_than_a_group_holds_are_refused_with_their_file(tmp_path):
    """5,000 rows of one prompt and 3 of another: no common size, so a group is a prompt."""
    folder, root = tmp_path / "from", tmp_path / "runs"
    folder.mkdir()
    root.mkdir()
    prompts = ["often"] * 5000 + ["rare"] * 3
    rows = pd.DataFrame({"step": 1, "prompt": prompts, "completion": "a", "right": 1.0, "advantage": 0.0})
    rows.to_parquet(folder / "completions_00001.parquet")
    words = r"completions_00001.parquet has a group of 5,000 rows in one step, more than 4,096: .* 'often'"
    with pytest.raises(LabError, match=words):
        import_run(root, folder)
    assert [path for path in root.iterdir() if not path.name.startswith(".launch")] == []
