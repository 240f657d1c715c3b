"""The full-text index names every text that holds a phrase, and forgets what is no longer there."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.runs.reader import RunReader
from engine.runs.store import StoreWriter
from engine.runs.text_index import TextIndex, folded, quoted, trigrams
from tests.unit.runs.records import completion, group, step


def candidates(store: StoreWriter, phrase: str) -> list[int]:
    """Keys that the index names for a phrase of three characters or more."""
    match = " AND ".join(map(quoted, trigrams(phrase, 99)))
    with closing(sqlite3.connect(f"file:{store.path}?mode=ro", uri=True)) as db:
        return [
            row[0] for row in db.execute("SELECT rowid FROM texts_fts WHERE texts_fts MATCH ? ORDER BY 1", (match,))
        ]


def commit(store: StoreWriter, number: int, *texts: str, advantage: float = 0.25) -> None:
    """advantage: another one makes it another step, as texts are not part of the digest."""
    rows = [completion(text, advantage=advantage) for text in texts]
    store.commit_step(step(number, groups=[group(completions=rows)]))


@pytest.mark.parametrize("text", ["so 4+5=9", "SO 4+5=9.", "x\x00so 4+5=9", '"so 4+5=9', "ÄÖÜ so 4+5=9"])
def test_a_text_is_found_by_what_it_holds_whatever_the_case(store: StoreWriter, text: str) -> None:
    commit(store, 1, text, "other")
    assert candidates(store, "So 4+5=9") == [1 << 32]
    assert candidates(store, text) == [1 << 32]
    assert candidates(store, text[-3:]) == [1 << 32]


def test_every_character_begins_a_trigram_so_that_short_phrases_are_found_by_their_beginning(
    store: StoreWriter,
) -> None:
    commit(store, 1, "a", "ba")
    with closing(sqlite3.connect(f"file:{store.path}?mode=ro", uri=True)) as db:
        terms = [term.rstrip("\ufdd0") for (term,) in db.execute("SELECT term FROM texts_terms ORDER BY term")]
    assert terms == ["a", "ba"]


def test_a_step_that_is_superseded_leaves_the_index_with_all_later_ones(store: StoreWriter) -> None:
    for number in (1, 2, 3):
        commit(store, number, f"old words {number}", "the same")
    store.begin_attempt(1, {})
    commit(store, 2, "new words", "the same", advantage=-0.5)
    assert candidates(store, "words") == [1 << 32, 2 << 32]
    assert candidates(store, "the same") == [1 << 32 | 1, 2 << 32 | 1]
    assert candidates(store, "old words 2") == []


def test_a_step_that_fails_in_the_middle_leaves_nothing_in_the_index(store: StoreWriter) -> None:
    broken = group(completions=[completion("half a step"), completion("x", advantage=float("nan"))])
    with pytest.raises(sqlite3.IntegrityError):
        store.commit_step(step(1, groups=[group(completions=[completion("half a step")]), broken]))
    assert candidates(store, "half") == []


def test_without_trigrams_a_run_still_trains_and_says_that_it_has_no_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.runs.text_index._CREATE", "CREATE VIRTUAL TABLE texts_fts USING fts9(text);")
    writer = StoreWriter(tmp_path / "run.db")
    writer.begin_attempt(0, {})
    commit(writer, 1, "words")
    commit(writer, 1, "other words", advantage=-0.5)  # supersedes the first
    assert RunReader(tmp_path / "run.db").completions(1)["text"].tolist() == ["other words"]
    assert writer._db.execute("SELECT complete FROM text_index").fetchall() == [(0,)]
    writer.close()


def test_an_index_that_missed_a_step_is_never_complete_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    StoreWriter(tmp_path / "run.db").close()
    with monkeypatch.context() as patch:
        patch.setattr("engine.runs.text_index.has_trigrams", lambda db: False)  # resumed on another machine
        StoreWriter(tmp_path / "run.db").close()
    writer = StoreWriter(tmp_path / "run.db")
    assert not TextIndex(writer._db).complete
    writer.close()


def test_trigrams_are_distinct_folded_and_bounded() -> None:
    assert trigrams("ABCabc", 99) == ["abc", "bca", "cab"]
    assert trigrams("ab", 99) == []
    assert len(trigrams("".join(map(chr, range(0x4E00, 0x5000))), 48)) == 48
    assert folded("ÄB") == "äb"


def test_a_quote_in_a_term_stays_a_quote() -> None:
    assert quoted('a"b') == '"a""b"'
