"""Folders that are no run of TRL, or a damaged one: refused in words, and nothing is left in the runs folder."""

import json
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
def test_a_broken_log_costs_its_numbers_and_not_the_completions(state, tmp_path):
    folder, root = tmp_path / "from", tmp_path / "runs"
    root.mkdir()
    shutil.copytree(RECORDED, folder)
    (folder / "checkpoint-6" / "trainer_state.json").write_text(state)
    try:
        run_id = import_run(root, folder).run_id
    except LabError as refusal:
        assert "trainer_state.json" in str(refusal)
    else:
        assert len(RunReader(RunPaths(root / run_id).db).completions(1)) == 16


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
