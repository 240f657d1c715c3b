"""A search finds what reading every completion would find, in order, within its time."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LabError, StoreError
from engine.runs import search
from engine.runs.hits import Excerpt, excerpt, hits
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.records import CompletionRecord
from engine.runs.schema import completion_id
from engine.runs.search import find
from engine.runs.search_query import SearchQuery
from engine.runs.store import StoreWriter
from engine.runs.text_index import folded
from tests.fakes import write_fake_run
from tests.unit.runs.records import completion, group, step

STEPS = 40


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    return write_fake_run(tmp_path_factory.mktemp("runs"), "fake", steps=STEPS, group_size=4, hostile_text=True)


@pytest.fixture(scope="module")
def rows(fake: RunPaths) -> list[dict[str, Any]]:
    """Every completion of the fake run with what its group says, oldest first."""
    reader, found = RunReader(fake.db), []
    for number in range(1, STEPS + 1):
        groups = reader.groups(number).set_index("group_index")
        for row in reader.completions(number).to_dict("records"):
            about = groups.loc[row["group_index"]]
            found.append({**row, "kind": about["kind"], "left_out": about["discarded"] is not None})
    return found


def wanted(row: dict[str, Any], query: SearchQuery) -> bool:
    """The filter as a person would write it down."""

    def within(value: float | None, low: float | None, high: float | None) -> bool:
        if low is None and high is None:
            return True
        return (
            value is not None and value == value and (low is None or value >= low) and (high is None or value <= high)
        )

    signs = {"positive": row["advantage"] > 0, "negative": row["advantage"] < 0, "zero": row["advantage"] == 0}
    asked = [query.reward] if query.reward else list(row["rewards"])
    return (
        folded(query.phrase) in folded(row["text"])
        and within(row["step"], query.step_min, query.step_max)
        and within(row["total"], query.total_min, query.total_max)
        and within(row["length"], query.length_min, query.length_max)
        and (query.reward is None or within(row["rewards"][query.reward], query.reward_min, query.reward_max))
        and (not query.reward_missing or any(row["rewards"][name] is None for name in asked))
        and (query.advantage is None or signs[query.advantage])
        and query.finish_reason in (None, row["finish_reason"])
        and query.dead in (None, row["kind"] != "mixed")
        and query.discarded in (None, row["left_out"])
        and query.parsed in (None, row["parsed"])
        and (query.passed is None or row["passed"] == float(query.passed))
    )


def drawn_query(rng: random.Random, rows: list[dict[str, Any]]) -> SearchQuery:
    """A phrase that some completion holds, or none does, and a few filters with values that occur."""
    text = rng.choice(rows)["text"]
    start, size = rng.randrange(max(len(text), 1)), rng.choice([1, 1, 2, 2, 3, 4, 6, 12, 40])
    phrase = rng.choice([text[start : start + size], text[start : start + size].upper(), "", "nowhere to be found"])
    one, other = rng.choice(rows), rng.choice(rows)
    reward = rng.choice(["exact_match", "digit_match"])
    filters: dict[str, Any] = {
        "step_min": min(one["step"], other["step"]), "step_max": max(one["step"], other["step"]),
        "total_min": rng.choice([0.0, 0.5, 1.0]), "total_max": rng.choice([1.0, 1.3]),
        "length_min": rng.choice([2, 3]), "length_max": rng.choice([3, 8]), "reward": reward,
        "reward_missing": True, "advantage": rng.choice(["positive", "negative", "zero"]),
        "finish_reason": rng.choice(["eos", "length"]), "dead": rng.random() < 0.5, "discarded": rng.random() < 0.2,
        "passed": rng.random() < 0.5, "parsed": one["parsed"] if len(one["parsed"]) < 900 else "42",
    }  # fmt: skip
    chosen = {name: filters[name] for name in rng.sample(list(filters), rng.choice([0, 1, 1, 2, 3]))}
    if "reward" in chosen:
        chosen["reward_min"] = rng.choice([0.0, 0.5, 1.0])
    return SearchQuery(phrase=phrase, **chosen)


def keys_of(rows: list[dict[str, Any]]) -> list[int]:
    return [completion_id(row["step"], row["group_index"], row["completion_index"]) for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("few", [10_000, 20, 1], ids=["either side may be rare", "some are common", "all are common"])
def test_a_search_equals_a_filter_over_every_row(
    fake: RunPaths, rows: list[dict[str, Any]], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `few` the plan believes that sides are common, and takes the other ways through."""
    monkeypatch.setattr(search, "NUM_CANDIDATES", few)
    monkeypatch.setattr(search, "SAMPLE", min(few, 50))
    monkeypatch.setattr(search, "NUM_TERMS", few)
    rng, reader = random.Random(few), RunReader(fake.db)
    some = 0
    for _ in range(300):
        query = drawn_query(rng, rows)
        expected = keys_of([row for row in rows if wanted(row, query)])[::-1]
        found = find(reader, query, seconds=60)
        assert (found.keys, found.more, found.complete) == (expected, False, True), query
        some += bool(expected)
    assert some > 100  # most queries ask for something that is there


def test_pages_of_a_search_follow_each_other(fake: RunPaths, rows: list[dict[str, Any]]) -> None:
    reader, query = RunReader(fake.db), SearchQuery(phrase="script", advantage="positive")
    expected = keys_of([row for row in rows if wanted(row, query)])[::-1]
    pages, before = [], None
    while True:
        page = find(reader, query, limit=7, before=before, seconds=60)
        pages.append(page.keys)
        if not page.more:
            break
        before = page.keys[-1]
    assert [len(page) for page in pages[:-1]] == [7] * (len(pages) - 1) and len(pages) > 2
    assert [key for page in pages for key in page] == expected


def commit(store: StoreWriter, number: int, *rows: CompletionRecord) -> None:
    store.commit_step(step(number, groups=[group(completions=list(rows))]))


def texts(reader: RunReader, phrase: str, **filters: Any) -> list[str]:
    query = SearchQuery(phrase=phrase, **filters)
    found = hits(reader, find(reader, query, seconds=60).keys, query.phrase)
    return [hit.excerpt.before + hit.excerpt.match + hit.excerpt.after for hit in found]


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ('say "hi" OR *', 'they say "hi" or * now'), ("NEAR(a b)", "near(A B)"), ("text:abc", "text:abc"),
        ("%_%", "a%_%b"),
        ("a\x00b", "xa\x00by"), ("\u202eabc", "\u202eABC"), ("ΟΔΟΣ", "οδοσ"), ("οδος α", "ΟΔΟΣ Α"),
        ("straße", "STRASSE"),
        ("ß", "ss"), ("\x00", "a\x00"), ("\U0010ffff", "x\U0010ffff"), ("\ud7ff", "x\ud7ffy"), ("  ", "a  b"),
        ("😀", "ha😀"), ("'; DROP TABLE texts; --", "x'; drop table texts; --"), ("\ud800b", "x?b"), ("-", "a-b"),
    ],
)  # fmt: skip
def test_a_phrase_is_a_phrase_and_no_syntax(store: StoreWriter, reader: RunReader, phrase: str, text: str) -> None:
    commit(store, 1, completion("other words"), completion(text))
    assert texts(reader, phrase) == [text]
    assert texts(reader, phrase, advantage="positive") == [text]


def test_the_index_names_candidates_and_the_text_decides(store: StoreWriter, reader: RunReader) -> None:
    commit(store, 1, completion("abcd bcde"), completion("abcde"))  # the first has all trigrams of abcde
    assert texts(reader, "abcde") == ["abcde"]


def test_few_rows_that_pass_the_filters_are_read_where_the_phrase_is_common(
    store: StoreWriter, reader: RunReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "NUM_CANDIDATES", 2)
    rows = [completion(f"word {index}", total=float(index)) for index in range(7)]
    commit(store, 1, completion("none", total=6.0), *rows)
    assert texts(reader, "word", total_min=5.5) == ["word 6"]
    assert texts(reader, "word", total_min=5.0) == ["word 6", "word 5"]


def test_an_answer_that_is_long_is_compared_in_full(store: StoreWriter, reader: RunReader) -> None:
    long = "x" * 60
    commit(store, 1, completion("one", parsed=long + "a"), completion("two", parsed=long + "b"))
    assert reader.completions(1)["parsed"].tolist() == [long + "a", long + "b"]
    assert texts(reader, "", parsed=long + "b") == ["two"]
    assert texts(reader, "", parsed=long[:40]) == []


def test_a_superseded_step_is_found_no_more(store: StoreWriter, reader: RunReader) -> None:
    commit(store, 1, completion("old words"))
    commit(store, 1, completion("new words", advantage=-0.5))
    assert texts(reader, "words") == ["new words"]
    assert texts(reader, "ne") == ["new words"]


def test_without_an_index_the_texts_are_read_and_the_result_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.runs.text_index._CREATE", "CREATE VIRTUAL TABLE texts_fts USING fts9(text);")
    writer = StoreWriter(tmp_path / "run.db")
    commit(writer, 1, completion("some words"), completion("none"))
    found = find(RunReader(tmp_path / "run.db"), SearchQuery(phrase="words"))
    assert (found.keys, found.complete) == ([completion_id(1, 0, 0)], True)
    assert found.note == "This run has no full-text index, so its texts were read one by one."
    writer.close()


@pytest.mark.parametrize("query", [SearchQuery(phrase="script"), SearchQuery(advantage="positive"), SearchQuery("1")])
def test_a_search_without_time_ends_and_says_that_there_may_be_more(fake: RunPaths, query: SearchQuery) -> None:
    found = find(RunReader(fake.db), query, seconds=-1)
    assert (found.keys, found.complete) == ([], False)
    assert found.note.endswith("in all steps there may be more.")


def test_a_search_that_is_interrupted_keeps_what_it_found(fake: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([False] * 8 + [True] * 1000)
    monkeypatch.setattr(search._Time, "is_over", lambda self: next(looks))
    monkeypatch.setattr(search, "INSTRUCTIONS", 300)
    found = find(RunReader(fake.db), SearchQuery())
    assert 0 < len(found.keys) < STEPS * 24 and not found.complete
    assert f"in steps up to {found.keys[-1] >> 32}" in found.note


def test_a_run_without_steps_has_no_hits(tmp_path: Path) -> None:
    for query in (SearchQuery(), SearchQuery(phrase="abc"), SearchQuery(phrase="a"), SearchQuery(total_min=1.0)):
        assert find(RunReader(tmp_path / "run.db"), query).keys == []


def test_a_reward_that_the_run_does_not_have_is_named(fake: RunPaths) -> None:
    with pytest.raises(LabError, match=r"no reward function 'speed'.*It has exact_match, digit_match"):
        find(RunReader(fake.db), SearchQuery(reward="speed", reward_min=1))


def test_a_text_that_is_none_is_damage(store: StoreWriter, reader: RunReader) -> None:
    commit(store, 1, completion("some words"))
    store._db.execute("UPDATE texts SET text = x'ff'")
    with pytest.raises(StoreError, match="The database is damaged"):
        find(reader, SearchQuery(phrase="words"))
    with pytest.raises(StoreError, match="The database is damaged"):
        hits(reader, [completion_id(1, 0, 0)])


def test_a_hit_has_what_a_row_shows(store: StoreWriter, reader: RunReader) -> None:
    commit(store, 3, completion("so it is 9", parsed="9"))
    (hit,) = hits(reader, [completion_id(3, 0, 0)], "IT")
    assert replace(hit, key=0, excerpt=Excerpt("")) == type(hit)(
        0, 3, 0, 0, "4+5=", Excerpt(""), 2, "eos", 1.5, 0.25, True, "9"
    )
    assert hit.excerpt == Excerpt("so ", "it", " is 9")


def test_an_excerpt_shows_the_phrase_and_what_is_around_it() -> None:
    text = "a" * 100 + "Phrase" + "b" * 500
    found = excerpt(text, "phrase")
    assert found == Excerpt("a" * 50, "Phrase", "b" * 104, cut_before=True, cut_after=True)
    assert excerpt("İ ß Phrase", "phrase") == Excerpt("İ ß ", "Phrase", "")
    assert excerpt("weiß", "S") == Excerpt("wei", "ß", "")
    assert excerpt("x" * 1_000_000, "").after == "x" * 160


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"phrase": "x" * 1001}, "phrase has 1,001 characters"), ({"phrase": None}, "phrase is 'None'"),
        ({"step_min": -1}, "step_min is '-1', and should be a whole number"), ({"step_max": 1.5}, "step_max is '1.5'"),
        ({"total_min": float("nan")}, "total_min is 'nan', and should be a number"),
        ({"total_min": 10**400}, "total_min"),
        ({"total_min": 2, "total_max": 1}, "total: from 2 to 1 holds nothing"), ({"dead": 1}, "dead is '1'"),
        ({"advantage": "up"}, "advantage is 'up', and should be one of positive, negative, zero"),
        ({"reward_min": 1}, "needs the reward function"), ({"length_min": True}, "length_min is 'True'"),
        ({"reward": ["a"]}, "reward is"), ({"reward_missing": None}, "reward_missing is 'None'"),
        ({"finish_reason": "'; --"}, "finish_reason is"), ({"speed": 3}, "There is no filter 'speed'"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_in_plain_words(values: dict[str, Any], words: str) -> None:
    with pytest.raises(LabError) as caught:
        SearchQuery.from_dict(values)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["", "[", "[1]", "3", "[" * 9999, "x" * 30_000, '{"phrase": {}}'])
def test_filters_from_elsewhere_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(LabError):
        SearchQuery.from_json(text)


def test_a_query_survives_json(rows: list[dict[str, Any]]) -> None:
    rng = random.Random(3)
    for _ in range(100):
        query = drawn_query(rng, rows)
        assert SearchQuery.from_json(query.to_json()) == query
    assert SearchQuery(phrase='ä"', dead=False).to_json() == '{"phrase":"ä\\"","dead":false}'
    assert json.loads(SearchQuery().to_json()) == {}


def test_the_time_limit_is_taken_off_the_connection_again(fake: RunPaths) -> None:
    with RunReader(fake.db).snapshot() as reader:
        find(reader, SearchQuery(phrase="script"), seconds=-1)
        assert len(reader.completions(3)) == 24
        with pytest.raises(StoreError, match="readonly database"), reader.database() as db:
            db.execute("DELETE FROM texts")


WRONG_TYPES = [
    ("completions", "total", "'abc'"), ("completions", "advantage", "x'00'"), ("completions", "passed", "'yes'"),
    ("completions", "length", "'long'"), ("completions", "parsed", "x'00'"), ("completions", "total", "9e999"),
    ("texts", "text", "x'00'"), ("groups", "prompt", "x'00'"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "column", "value"), WRONG_TYPES)
def test_a_hit_with_a_value_of_another_type_is_a_damaged_database(
    store: StoreWriter, reader: RunReader, table: str, column: str, value: str
) -> None:
    store.commit_step(step(1))
    (key, *_) = find(reader, SearchQuery()).keys
    store._db.execute(f"UPDATE {table} SET {column} = {value}")
    with pytest.raises(StoreError, match="damaged"):
        hits(reader, [key])
