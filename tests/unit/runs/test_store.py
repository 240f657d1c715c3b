"""The store keeps exactly what it was given, all of a step or nothing of it."""

import ast
import math
import os
import socket
import sqlite3
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine
from engine.analysis.evaluation import Estimate
from engine.errors import StoreError
from engine.runs.reader import RunReader
from engine.runs.records import CompletionRecord, EvaluationRecord, Event, GroupRecord
from engine.runs.schema import METRIC_COLUMNS, SCHEMA_VERSION
from engine.runs.store import StoreWriter, step_digest
from tests.unit.runs.records import VOCABULARY, completion, group, step


def test_every_metric_of_a_step_comes_back(store: StoreWriter, reader: RunReader) -> None:
    metrics = {name: 0.5 + index for index, name in enumerate(METRIC_COLUMNS)}
    record = step(metrics=metrics)
    assert store.commit_step(record) == "new"
    row = reader.steps().iloc[0]
    assert {name: row[name] for name in METRIC_COLUMNS} == metrics
    assert (row["step"], row["attempt"], row["finished_at"], row["group_size"]) == (1, 1, 1000.0, 2)
    assert row["digest"] == step_digest(record)
    assert row["totals"].tolist() == [1.5, 0.5]
    assert row["advantages"].tolist() == [0.25, -0.25]
    assert row["rewards"] == {
        "exact": {"mean": 0.5, "std": pytest.approx(0.5**0.5), "errors": 0},
        "digits": {"mean": 0.5, "std": 0.0, "errors": 0},
    }
    assert row["nonfinite"] == {}


def test_every_column_of_a_group_comes_back(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step())
    assert reader.groups(1).iloc[0].to_dict() == {
        "step": 1, "group_index": 0, "prompt_id": "p1", "prompt": "4+5=", "rendered": "<s>4+5=", "reference": "9",
        "columns": {"level": 3}, "prompt_tokens": 5, "mean": 1.0, "std": 0.7071, "scale": 0.7071, "kind": "mixed",
        "pass_rate": 0.5, "mean_length": 2.0, "mean_kl": 0.015,
        "discarded": None,
    }  # fmt: skip


def test_every_column_of_a_completion_comes_back(store: StoreWriter, reader: RunReader) -> None:
    failed = completion(
        rewards={"exact": math.nan}, errors={"exact": "timeout"}, passed=None, finish_reason="length",
        steps={"exact": [(0, 1.0), (1, 0.5)]}, raw={"exact": 1.5},
    )  # fmt: skip
    store.commit_step(step(groups=[group(completions=[failed])]))
    row = reader.completions(1).iloc[0].to_dict()
    assert math.isnan(row.pop("passed"))
    assert row == {
        "step": 1, "group_index": 0, "completion_index": 0, "text": "9", "length": 2, "finish_reason": "length",
        "rewards": {"exact": None}, "errors": {"exact": "timeout"}, "parsed": "9", "total": 1.5, "advantage": 0.25,
        "mean_kl": 0.015, "max_kl": 0.03, "mean_entropy": 0.3125, "mean_logprob": -0.375,
        "steps": {"exact": [[0, 1.0], [1, 0.5]]}, "raw": {"exact": 1.5},
    }  # fmt: skip


def test_token_advantages_come_back_and_are_part_of_the_digest(store: StoreWriter, reader: RunReader) -> None:
    plain = completion()
    tokens = replace(plain.tokens, advantages=np.array([0.5, -1.25], dtype=np.float32))
    stepwise = step(groups=[group(completions=[replace(plain, tokens=tokens)])])
    store.commit_step(stepwise)
    stored = reader.tokens(1, 0, 0)
    assert stored is not None and stored.advantages is not None and stored.advantages.tolist() == [0.5, -1.25]
    assert step_digest(stepwise) != step_digest(step(groups=[group(completions=[plain])]))


def test_token_arrays_come_back_with_their_pieces(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step())
    tokens = reader.tokens(1, 0, 0)
    assert tokens is not None
    assert tokens.ids.tolist() == [9, 12]
    assert tokens.pieces == ["9", "<|end|>"]
    assert tokens.special == [False, True]
    assert tokens.logprobs.tolist() == [-0.5, -0.25]
    assert tokens.ref_logprobs is not None and tokens.ref_logprobs.tolist() == [-0.75, -0.25]
    assert tokens.entropies.tolist() == [0.5, 0.125]
    assert tokens.advantages is None
    assert tokens.kl is not None
    # k3 with q − p = −0.25: exp(−0.25) + 0.25 − 1 = 0.028801
    assert tokens.kl.tolist() == pytest.approx([math.exp(-0.25) + 0.25 - 1, 0.0])


def richer(plain: CompletionRecord) -> CompletionRecord:
    """With the log-probabilities of a later update, and two alternatives at each place."""
    more = replace(
        plain.tokens, update_logprobs=np.array([-0.25, -0.5], dtype=np.float32),
        alternative_ids=np.array([[9, 4], [12, 7]], dtype=np.uint32),
        alternative_logprobs=np.log([[0.5, 0.25], [0.75, 0.125]]).astype(np.float32),
    )  # fmt: skip
    return replace(plain, tokens=more)


def test_alternatives_and_later_log_probabilities_come_back(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(groups=[group(completions=[richer(completion())])]))
    tokens = reader.tokens(1, 0, 0)
    assert tokens is not None and tokens.update_logprobs is not None
    assert tokens.update_logprobs.tolist() == [-0.25, -0.5]
    first, second = tokens.alternatives(0), tokens.alternatives(1)
    assert [token for token, _ in (*first, *second)] == [9, 4, 12, 7]
    # float16 keeps a log-probability of about 1 to 0.0005
    assert [share for _, share in (*first, *second)] == pytest.approx([0.5, 0.25, 0.75, 0.125], rel=1e-3)
    assert (tokens.piece(4), tokens.piece(7)) == ("4", "<7>")  # an alternative's text is known like a token's own


def test_alternatives_are_not_part_of_the_digest() -> None:
    """A replay of the same step must match even if it keeps another number of them."""
    with_them, without = (step(groups=[group(completions=[c])]) for c in (richer(completion()), completion()))
    assert step_digest(with_them) == step_digest(without)


def test_the_tokens_of_a_step_come_by_group_and_completion(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(1, groups=[group(), discarded_group()]))
    store.commit_step(step(2, groups=[group(completions=[richer(completion())])]))
    found = reader.step_tokens(1)
    assert list(found) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert found[0, 1].pieces == ["9", "<|end|>"] and found[0, 0].alternatives(0) == []
    assert found[1, 0].logprobs is None
    assert list(reader.step_tokens(2)) == [(0, 0)] and reader.step_tokens(3) == {}


def test_without_a_reference_there_is_no_kl(store: StoreWriter, reader: RunReader) -> None:
    bare = completion(tokens=replace(completion().tokens, ref_logprobs=None), mean_kl=None, max_kl=None)
    store.commit_step(step(groups=[group(completions=[bare, bare])]))
    tokens = reader.tokens(1, 0, 0)
    assert tokens is not None
    assert tokens.kl is None
    assert reader.completions(1)["mean_kl"].isna().all()


def discarded_group(**changes: Any) -> GroupRecord:
    """A group whose completions were never passed through the model again: ids are all that is known of its tokens."""
    plain = completion()
    unmeasured = replace(
        plain, tokens=replace(plain.tokens, logprobs=None, ref_logprobs=None, entropies=None), advantage=0.0,
        mean_kl=None, max_kl=None, mean_entropy=None, mean_logprob=None,
    )  # fmt: skip
    return group(**{"kind": "solved", "completions": [unmeasured] * 2, "discarded": "no_signal", **changes})


def test_a_discarded_group_comes_back_with_its_reason_and_without_what_was_not_measured(
    store: StoreWriter, reader: RunReader
) -> None:
    store.commit_step(step(groups=[group(), discarded_group()]))
    reasons = reader.groups(1)["discarded"]
    assert reasons.isna().tolist() == [True, False]
    assert reasons[1] == "no_signal"
    tokens = reader.tokens(1, 1, 0)
    assert tokens is not None
    assert tokens.ids.tolist() == [9, 12]
    assert (tokens.logprobs, tokens.ref_logprobs, tokens.entropies, tokens.kl) == (None, None, None, None)
    completions = reader.completions(1, 1)
    assert completions[["mean_kl", "max_kl", "mean_entropy", "mean_logprob"]].isna().all(axis=None)
    assert completions["advantage"].tolist() == [0.0, 0.0]


def test_totals_and_advantages_of_a_step_are_those_it_trained_on_and_reward_means_those_of_all_it_sampled(
    store: StoreWriter, reader: RunReader
) -> None:
    store.commit_step(step(groups=[group(), discarded_group()]))
    row = reader.steps().iloc[0]
    assert row["totals"].tolist() == [1.5, 0.5]
    assert row["advantages"].tolist() == [0.25, -0.25]
    assert row["rewards"]["exact"]["mean"] == 0.75  # 1, 0 and, of the discarded group, 1, 1


def test_a_group_that_was_trained_on_cannot_come_after_a_discarded_one(store: StoreWriter, reader: RunReader) -> None:
    with pytest.raises(ValueError, match="step 1: a group that was trained on comes after a discarded one"):
        store.commit_step(step(groups=[discarded_group(), group()]))
    assert reader.last_step() == 0


def test_a_replay_that_discards_another_group_is_a_difference(store: StoreWriter) -> None:
    store.commit_step(step(groups=[group(), discarded_group()]))
    assert store.commit_step(step(groups=[group(), discarded_group()])) == "replayed"
    assert store.commit_step(step(groups=[group(), discarded_group(discarded="masked")])) == "differs"


def test_an_attempt_comes_back(store: StoreWriter, reader: RunReader) -> None:
    store.end_attempt("failed", "no room")
    attempt = reader.attempts()[-1]
    assert [getattr(attempt, field.name) for field in fields(attempt)] == [
        1, 1000.0, os.getpid(), 0, 1000.0, "failed", "no room", {"torch": "2.10"},
    ]  # fmt: skip
    assert rows_of(store.path, "SELECT host FROM attempts") == [(socket.gethostname(),)]


def test_an_evaluation_comes_back_and_a_second_one_of_the_step_replaces_it(
    store: StoreWriter, reader: RunReader
) -> None:
    unknown = {"pass_at_1": Estimate(0.25), "reward": Estimate(math.nan)}
    store.add_evaluation(EvaluationRecord(0, 64, 1, 1.5, unknown))
    (first,) = reader.evaluations()["metrics"]
    assert first["pass_at_1"].value == 0.25 and math.isnan(first["pass_at_1"].low) and math.isnan(first["reward"].value)
    metrics = {"pass_at_1": Estimate(0.5, 0.4, 0.6), "rewards/exact/mean": Estimate(0.5, 0.4, 0.6)}
    prompts, samples = {"id": ["p1"], "right": [2]}, [{"prompt": "4+5=", "completions": [{"text": "9"}]}]
    store.add_evaluation(EvaluationRecord(0, 32, 4, 2.5, metrics, prompts, samples))
    assert [row.to_dict() for _, row in reader.evaluations().iterrows()] == [
        {"step": 0, "at": 1000.0, "num_prompts": 32, "num_generations": 4, "seconds": 2.5, "pass_at_1": 0.5,
         "metrics": metrics}
    ]  # fmt: skip
    assert reader.evaluation_details(0) == (prompts, samples)
    assert reader.evaluation_details(1) is None


def test_the_writer_reads_the_evaluations_up_to_a_step(store: StoreWriter) -> None:
    for number in (0, 25, 50):
        store.add_evaluation(EvaluationRecord(number, 8, 1, 0.1, {"reward": Estimate(number / 100)}))
    found = store.evaluation_metrics(up_to=25)
    assert [(number, metrics["reward"].value) for number, metrics in found] == [(0, 0.0), (25, 0.25)]


def test_events_come_back_newest_first(store: StoreWriter, reader: RunReader) -> None:
    store.add_event(Event("start", "Training starts."))
    store.commit_step(step(3, events=[Event("reward", "1 failed", "warning", 3)]))
    frame = reader.events()
    assert frame[["id", "at", "step", "level", "kind", "message"]].values.tolist() == [
        [2, 1000.0, 3, "warning", "reward", "1 failed"],
        [1, 1000.0, 0, "info", "start", "Training starts."],
    ]


def test_a_heartbeat_replaces_the_one_before(store: StoreWriter, reader: RunReader) -> None:
    store.beat(1, "rollout")
    store.beat(2, "update", "3 of 8")
    heartbeat = reader.heartbeat()
    assert heartbeat is not None
    assert (heartbeat.at, heartbeat.step, heartbeat.phase, heartbeat.detail) == (1000.0, 2, "update", "3 of 8")


def test_commits_are_synced_to_disk_again_after_a_heartbeat(store: StoreWriter) -> None:
    store.beat(1, "rollout")
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_metrics_that_are_not_finite_are_marked_and_a_missing_one_is_not(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(metrics={"kl": math.nan, "loss": math.inf, "grad_norm": -math.inf, "reward": -0.0}))
    row = reader.steps().iloc[0]
    assert row["nonfinite"] == {"kl": "nan", "loss": "inf", "grad_norm": "-inf"}
    assert math.isnan(row["kl"]) and math.isnan(row["entropy"])
    assert (row["loss"], row["grad_norm"], row["reward"]) == (math.inf, -math.inf, 0.0)


@pytest.mark.parametrize("value", [5e-324, 1e308, -1e308, 0.1])
def test_extreme_numbers_survive(store: StoreWriter, reader: RunReader, value: float) -> None:
    store.commit_step(step(metrics={"loss": value}))
    assert reader.steps()["loss"].tolist() == [value]


def test_numpy_numbers_are_stored_as_numbers(store: StoreWriter, reader: RunReader) -> None:
    odd = completion(advantage=np.float32(0.25), total=np.float32(1.5), rewards={"exact": np.float32(1.0)})
    store.commit_step(step(groups=[group(completions=[odd], prompt_tokens=np.int64(5))], metrics={"kl": np.float32(2)}))
    assert reader.completions(1)[["advantage", "total"]].values.tolist() == [[0.25, 1.5]]
    assert reader.groups(1)["prompt_tokens"].tolist() == [5]
    assert reader.steps()["kl"].tolist() == [2.0]


def test_text_comes_back_as_it_is_except_half_surrogates(store: StoreWriter, reader: RunReader) -> None:
    wild = "<b>\x00\x1b[31m \u202e {0} %s \U0001f600"
    odd = group(prompt="\ud800" + wild, reference=wild, columns={"\ud801": wild}, completions=[completion(wild)])
    store.commit_step(step(groups=[odd], vocabulary={9: (wild + "\udfff", False)}))
    row = reader.groups(1).iloc[0]
    assert (row["prompt"], row["reference"], row["columns"]) == ("?" + wild, wild, {"?": wild})
    assert reader.completions(1)["text"].tolist() == [wild]
    tokens = reader.tokens(1, 0, 0)
    assert tokens is not None and tokens.pieces == [wild + "?", "<12>"]


def test_an_unknown_metric_is_refused_not_dropped(store: StoreWriter) -> None:
    with pytest.raises(ValueError, match=r"no metric.*rewrad"):
        store.commit_step(step(metrics={"rewrad": 1.0}))
    assert store.last_step() == 0


def test_a_replay_with_the_same_digest_changes_nothing(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(events=[Event("a", "first")]))
    before = reader.steps(), reader.completions(1), reader.events(), reader.change_token()
    assert store.commit_step(step(events=[Event("a", "second")], metrics={"reward": 9.0})) == "replayed"
    after = reader.steps(), reader.completions(1), reader.events(), reader.change_token()
    assert all(old.equals(new) for old, new in zip(before[:3], after[:3], strict=True))
    assert before[3] == after[3]


def test_a_replay_that_differs_puts_aside_the_old_step_and_later_ones(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step())
    store.commit_step(step(2))
    store.begin_attempt(0, {})
    other = step(groups=[group(completions=[completion("5"), completion("6", advantage=-1.0)])])
    assert store.commit_step(other) == "differs"
    assert reader.completions(1)["text"].tolist() == ["5", "6"]
    assert reader.steps()[["step", "attempt"]].to_numpy().tolist() == [[1, 2]]
    text = "json_extract(payload, '$.texts[1][5]')"
    assert rows_of(store.path, f"SELECT step, attempt, {text} FROM superseded") == [(1, 1, "4"), (2, 1, "4")]


@pytest.mark.parametrize(
    "changed",
    [
        group(prompt_id="p2", completions=[completion()]),
        group(completions=[completion(advantage=0.26)]),
        group(completions=[completion(rewards={"exact": 1.0, "digits": 0.25})]),
        group(completions=[completion(tokens=replace(completion().tokens, ids=np.array([9, 4], dtype=np.uint32)))]),
        group(completions=[completion(tokens=replace(completion().tokens, logprobs=-np.ones(2, dtype=np.float32)))]),
        group(completions=[completion(), completion()]),
    ],
    ids=["prompt", "advantage", "reward", "token", "logprob", "count"],
)
def test_the_digest_covers_what_a_step_computed(changed: GroupRecord) -> None:
    plain = group(completions=[completion()])
    assert step_digest(step(groups=[changed])) != step_digest(step(groups=[plain]))


def test_the_digest_ignores_how_long_it_took() -> None:
    assert step_digest(step(metrics={"step_time": 1.0})) == step_digest(step(metrics={"step_time": 2.0}))


def test_a_failure_in_the_middle_of_a_step_leaves_nothing_of_it(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(1))
    bad = group(completions=[completion(), completion(advantage=math.nan)])  # NOT NULL, and last to be written
    before = reader.change_token()
    with pytest.raises(sqlite3.IntegrityError):
        store.commit_step(step(2, groups=[group(), bad], vocabulary={77: ("x", False)}))
    assert reader.change_token() == before
    assert reader.groups(2).empty and reader.completions(2).empty
    assert store.commit_step(step(2)) == "new"


def test_a_full_disk_leaves_every_acknowledged_step_and_says_what_to_do(store: StoreWriter, reader: RunReader) -> None:
    store._db.execute("PRAGMA max_page_count = 60")  # SQLite answers as it does on a full disk
    acknowledged = 0
    with pytest.raises(StoreError, match=r"run\.db: database or disk is full\..*resume the run"):
        while True:
            store.commit_step(step(acknowledged + 1))
            acknowledged += 1
    assert acknowledged > 10
    assert reader.steps()["step"].tolist() == list(range(1, acknowledged + 1))
    store._db.execute("PRAGMA max_page_count = 6000")
    assert store.commit_step(step(acknowledged + 1)) == "new"


def test_a_database_of_another_version_is_refused_by_writer_and_reader(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "run.db")
    writer._db.execute("PRAGMA user_version = 99")
    writer.close()
    with pytest.raises(StoreError, match=f"schema version 99, this is version {SCHEMA_VERSION}"):
        StoreWriter(tmp_path / "run.db")
    with pytest.raises(StoreError, match=f"schema version 99, this program reads version {SCHEMA_VERSION}"):
        RunReader(tmp_path / "run.db").last_step()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="file is not a database"):
        StoreWriter(path)
    with pytest.raises(StoreError, match="file is not a database"):
        RunReader(path).steps()
    assert path.read_bytes() == before


def test_a_folder_that_does_not_exist_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open database file"):
        StoreWriter(tmp_path / "nowhere" / "run.db")


def test_an_existing_store_is_continued(store: StoreWriter) -> None:
    store.commit_step(step(1))
    store.close()
    again = StoreWriter(store.path)
    again.begin_attempt(1, {})
    assert (again.attempt, again.last_step()) == (2, 1)
    again.close()


def test_the_vocabulary_keeps_the_first_piece_of_a_token(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(1, vocabulary=VOCABULARY))
    store.commit_step(step(2, vocabulary={9: ("other", True)}))
    tokens = reader.tokens(2, 0, 0)
    assert tokens is not None and tokens.pieces[0] == "9"


def test_there_is_one_writable_connection_in_the_code_base() -> None:
    root = Path(engine.__file__).parents[1]
    found: dict[str, list[str]] = {}
    for path in [*root.glob("engine/**/*.py"), *root.glob("dashboard/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "sqlite3.connect",
                "connect",
                "sqlite3.Connection",
            ):
                found.setdefault(path.relative_to(root).as_posix(), []).append(ast.unparse(node.args[0]))
    assert set(found) == {"engine/runs/reader.py", "engine/runs/store.py"}
    assert found["engine/runs/store.py"] == ["path"]
    assert all("mode=ro" in argument or argument == "':memory:'" for argument in found["engine/runs/reader.py"])


def rows_of(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Rows by a read-only connection of its own."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def test_a_killed_attempt_ends_with_its_last_sign_of_life_when_the_next_begins(tmp_path: Path) -> None:
    now = [1000.0]
    writer = StoreWriter(tmp_path / "run.db", clock=lambda: now[0])
    writer.begin_attempt(0, {})
    now[0] = 1090.0
    writer.beat(3, "rollout")
    now[0] = 5000.0
    writer.begin_attempt(3, {})
    writer.close()
    first, second = RunReader(tmp_path / "run.db").attempts()
    assert (first.started_at, first.ended_at, first.outcome) == (1000.0, 1090.0, None)
    assert (second.started_at, second.ended_at) == (5000.0, None)
