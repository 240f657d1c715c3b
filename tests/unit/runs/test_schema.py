"""The key of a completion: it orders completions, and what cannot be one is refused."""

import sqlite3
from pathlib import Path

import pytest

from engine.config import RolloutConfig, RunConfig
from engine.runs.reader import RunReader
from engine.runs.schema import REWARD_COLUMNS, SCHEMA, SCHEMA_VERSION, completion_id, completion_ids, step_of
from engine.runs.store import StoreWriter
from tests.unit.runs.records import completion, group, step


def bound(section: type, field: str, name: str) -> int:
    """The upper bound of a setting: its `le`, or of a list its `max_length`."""
    return int(next(getattr(m, name) for m in section.model_fields[field].metadata if hasattr(m, name)))


def test_keys_are_in_the_order_of_steps_groups_and_completions() -> None:
    places = [(s, g, c) for s in (1, 2, 70_000) for g in (0, 1, 4096) for c in (0, 1, 4095)]
    keys = [completion_id(*place) for place in places]
    assert keys == sorted(keys)
    assert completion_id(1, 2, 3) == 0x1_00002_003
    assert [step_of(key) for key in keys] == [place[0] for place in places]


def test_the_range_of_a_step_or_group_holds_its_keys_and_no_other() -> None:
    first, last = completion_ids(3, 7)
    assert [first, last] == [completion_id(3, 7, 0), completion_id(3, 7, 4095)]
    assert completion_ids(3) == (completion_id(3, 0, 0), completion_id(4, 0, 0) - 1)


@pytest.mark.parametrize("place", [(1, 0, 4096), (1, 1 << 20, 0), (1 << 31, 0, 0), (1, 0, -1)])
def test_what_does_not_fit_is_refused(place: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="is not from 0 to"):
        completion_id(*place)


@pytest.mark.parametrize("place", [(1 << 40, 0), (1, 1 << 40), (-1, None)])
def test_a_place_that_no_run_has_reads_as_empty(reader: RunReader, place: tuple[int, int | None]) -> None:
    assert reader.completions(*place).empty


def test_the_largest_config_fits() -> None:
    rounds = bound(RolloutConfig, "max_sampling_rounds", "le")
    groups = bound(RolloutConfig, "prompts_per_step", "le") * rounds
    assert completion_id(1, groups - 1, bound(RolloutConfig, "num_generations", "le") - 1)
    assert bound(RunConfig, "rewards", "max_length") == len(REWARD_COLUMNS)


def test_a_completion_too_many_leaves_nothing_of_its_step(store: StoreWriter, reader: RunReader) -> None:
    with pytest.raises(ValueError, match="completion 4,096 is not from 0 to 4,095"):
        store.commit_step(step(groups=[group(completions=[completion()] * 4097)]))
    assert reader.last_step() == 0 and reader.completions(1).empty


def test_rewards_keep_their_columns_and_new_functions_get_the_next(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(1, groups=[group(completions=[completion(rewards={"b": 1.0, "a": 2.0})])]))
    store.commit_step(step(2, groups=[group(completions=[completion(rewards={"a": 3.0, "c": 4.0})])]))
    assert reader.reward_functions() == ["b", "a", "c"]
    assert reader.completions(2)["rewards"].tolist() == [{"b": None, "a": 3.0, "c": 4.0}]


def test_more_reward_functions_than_columns_are_refused(store: StoreWriter) -> None:
    rewards = {f"f{index}": 1.0 for index in range(len(REWARD_COLUMNS) + 1)}
    with pytest.raises(ValueError, match="'f16': a run stores at most 16 reward functions"):
        store.commit_step(step(groups=[group(completions=[completion(rewards=rewards)])]))


def test_a_completion_knows_whether_its_group_is_dead_or_discarded(store: StoreWriter) -> None:
    groups = [group(), group(kind="solved"), group(kind="solved", discarded="no_signal")]
    store.commit_step(step(groups=groups))
    rows = store._db.execute("SELECT DISTINCT group_index, dead, discarded FROM completions").fetchall()
    assert rows == [(0, 0, 0), (1, 1, 0), (2, 1, 1)]


def test_what_is_beside_a_text_is_read_without_it() -> None:
    """SQLite walks through all pages of a long text to a column after it."""
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA)
    assert [name for _, name, *_ in db.execute("PRAGMA table_info(texts)")][-1] == "text"


def test_a_run_whose_texts_have_their_columns_in_another_order_is_written_and_read(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "run.db")
    db.executescript(f"{SCHEMA} DROP TABLE texts; PRAGMA user_version = {SCHEMA_VERSION};")
    columns = "raw TEXT, steps TEXT, errors TEXT, text TEXT NOT NULL, parsed TEXT, id INTEGER PRIMARY KEY"
    db.execute(f"CREATE TABLE texts ({columns})")
    db.close()
    store = StoreWriter(tmp_path / "run.db")
    store.commit_step(step(1))
    store.close()
    assert RunReader(tmp_path / "run.db").completions(1)["text"].tolist() == ["9", "4"]
