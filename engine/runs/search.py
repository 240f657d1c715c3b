"""Search over every completion of a run: which hold a phrase and pass the filters, newest first.

`find` gives their keys, `hits` what a list shows of them, `search` both. The plan goes by which side is rare: few
candidates of the full-text index are looked up in the numbers; else few rows that pass the filters are looked up in the
texts; and where both are many, hits are many too, unless phrase and filters exclude each other. A time limit ends that
case and any other: what was found until then is returned, and marked as incomplete.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from engine.runs.reader import RunReader
from engine.runs.schema import completion_ids, step_of
from engine.runs.search_query import LARGEST, SearchQuery
from engine.runs.text_index import TRIGRAM, beginning_with, folded, has_trigrams, indexed, quoted, trigrams

CAP = 10_000  # hits that are counted
TIME_LIMIT_S = 1.0  # a million completions take a fifth of it (benchmarks/search.py), on a busy machine more
SCAN_LIMIT_S = 2.0  # for a run without an index
NUM_CANDIDATES = 10_000  # up to here a side is rare
NUM_TRIGRAMS = 48  # of a long phrase, from which a few are chosen
NUM_TELLING = 4  # that the index is asked for
TELLING_SAMPLE, TELLING_CHARACTERS = 250, 1_000  # how many texts tell which they are, and how much of each
NUM_TERMS = 400  # trigrams that may begin with a phrase of one or two characters
SAMPLE, DENSE = 2_000, 0.08  # of the newest texts, this share holds a phrase that is found fast by reading
INSTRUCTIONS = 20_000  # of SQLite between two looks at the time: about 1 ms

Check = Callable[[str], bool]


@dataclass(frozen=True)
class Found:
    """Keys of completions, newest first, and how far the search came.

    `more`: there are more than these. `complete`: everything was searched that was asked for, or enough to fill the
    limit. `note`: what a reader should know about it, in a sentence.
    """

    keys: list[int]
    more: bool = False
    complete: bool = True
    note: str = ""

    @property
    def steps(self) -> int:
        """In how many steps these completions are."""
        return len(set(map(step_of, self.keys)))


class _Time:
    """How long a search may still take; as a progress handler of SQLite it ends the statement that runs."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def is_over(self) -> bool:
        return time.monotonic() > self._end


class _OutOfTime(Exception):
    """The search ends here, with what it has."""


def find(
    reader: RunReader, query: SearchQuery, *, limit: int = CAP, before: int | None = None,
    seconds: float | None = None,
) -> Found:  # fmt: skip
    """Keys of the newest `limit` completions that the query asks for; with `before`, of those with a smaller key.

    seconds: the time limit; by default TIME_LIMIT_S, and SCAN_LIMIT_S for a run without a full-text index.
    Raises LabError for a reward function that the run does not have, StoreError for a damaged database.
    """
    with reader.snapshot() as moment, moment.database() as db:
        has_index = _is_indexed(db)
        scanning = bool(query.phrase) and not has_index
        allowed = seconds if seconds is not None else SCAN_LIMIT_S if scanning else TIME_LIMIT_S
        timer = _Time(allowed)
        db.set_progress_handler(timer.is_over, INSTRUCTIONS)
        low, high = _bounds(query, before)
        plan = _Plan(db, query, *query.where(moment.reward_functions()), timer, low, high, has_index)
        keys: list[int] = []
        complete = True
        try:
            for key in islice(plan.keys(), limit + 1):
                keys.append(key)
        except _OutOfTime:
            complete = False
        finally:
            db.set_progress_handler(None, 0)
    note = "" if complete else _out_of_time(keys, allowed)
    if scanning:
        note = f"This run has no full-text index, so its texts were read one by one. {note}".strip()
    return Found(keys[:limit], more=len(keys) > limit, complete=complete, note=note)


@dataclass
class _Plan:
    """One search: where it looks, and how far it came."""

    db: sqlite3.Connection
    query: SearchQuery
    where: str
    values: list[object]
    timer: _Time
    low: int
    high: int
    indexed: bool

    def keys(self) -> Iterator[int]:
        """All that the query asks for, newest first. Raises _OutOfTime."""
        if not self.query.phrase:
            return self._filtered()
        phrase = folded(self.query.phrase)
        self.db.create_function("holds", 1, lambda text: phrase in folded(text), deterministic=True)
        if not self.indexed:
            return self._read()
        if len(folded(self.query.phrase)) >= TRIGRAM:
            return self._by_index(" AND ".join(map(quoted, self._telling(trigrams(self.query.phrase, NUM_TRIGRAMS)))))
        return self._short()

    def _filtered(self) -> Iterator[int]:
        """Rows that pass the filters: a scan of the numbers, newest first."""
        where = f" AND {self.where}" if self.where else ""
        sql = f"SELECT id FROM completions WHERE id BETWEEN ? AND ?{where} ORDER BY id DESC"
        return self._run(sql, self.low, self.high, *self.values)

    def _read(self) -> Iterator[int]:
        """Rows that pass the filters and whose text holds the phrase, without the index."""
        where = f"{self.where} AND " if self.where else ""
        source = "completions CROSS JOIN texts USING (id)" if self.where else "texts"
        sql = f"SELECT id FROM {source} WHERE id BETWEEN ? AND ? AND {where}holds(texts.text) ORDER BY id DESC"
        return self._run(sql, self.low, self.high, *self.values)

    def _by_index(self, match: str) -> Iterator[int]:
        """Rows whose text holds the phrase, by the candidates that the index names."""
        if not self.where:
            yield from self._joined(match)
            return
        candidates = list(islice(self._candidates(match), NUM_CANDIDATES))
        are_many = len(candidates) == NUM_CANDIDATES
        passing = list(islice(self._filtered(), NUM_CANDIDATES)) if are_many else []
        if are_many and len(passing) < NUM_CANDIDATES:
            yield from self._among(passing, "")
            return
        yield from self._among(candidates, f"{self.where} AND ", *self.values)
        if are_many:
            self.high = candidates[-1] - 1
            yield from self._joined(match)

    def _telling(self, terms: list[str]) -> list[str]:
        """The few trigrams of a phrase that exclude most texts, judged by the newest: each next one among the texts
        that have those before it. One more is another list to go through, and mostly excludes none that is left.
        """
        sql = "SELECT substr(text, 1, ?) FROM texts WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?"
        begun = self._run(sql, TELLING_CHARACTERS, self.low, self.high, TELLING_SAMPLE)
        texts = [*map(indexed, map(str, begun))]
        overall = {term: sum(term in text for text in texts) for term in terms}
        chosen: list[str] = []
        while terms and len(chosen) < NUM_TELLING:
            best = min(terms, key=lambda term: (sum(term in text for text in texts), overall[term]))
            rest = [text for text in texts if best in text]
            if chosen and texts and len(rest) == len(texts):
                break
            chosen.append(best)
            terms, texts = [term for term in terms if term != best], rest
        return chosen

    def _short(self) -> Iterator[int]:
        """A phrase of one or two characters: where it is in many texts by reading, else by the trigrams it begins."""
        sql = "SELECT holds(text) FROM texts WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?"
        sample = list(self._run(sql, self.low, self.high, SAMPLE))
        if len(sample) < SAMPLE or sum(sample) >= DENSE * SAMPLE:
            return self._rare_filter_or(self._read)
        sql = "SELECT term FROM texts_terms WHERE term >= ? AND term < ? LIMIT ?"
        terms = [*self._run(sql, *beginning_with(self.query.phrase), NUM_TERMS + 1)]
        if not terms:
            return iter(())
        if len(terms) > NUM_TERMS:
            return self._rare_filter_or(self._read)
        return self._by_index(" OR ".join(map(quoted, map(str, terms))))

    def _rare_filter_or(self, otherwise: Callable[[], Iterator[int]]) -> Iterator[int]:
        """With filters that few rows pass, these are read; else what `otherwise` gives."""
        if not self.where:
            return otherwise()
        passing = list(islice(self._filtered(), NUM_CANDIDATES + 1))
        return self._among(passing, "") if len(passing) <= NUM_CANDIDATES else otherwise()

    def _candidates(self, match: str) -> Iterator[int]:
        """What the index names. One statement for the whole range: the index looks for a first match beyond any end of
        it, so that stretches without one would cost as much each. It does not look at the time meanwhile.
        """
        sql = "SELECT rowid FROM texts_fts WHERE texts_fts MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC"
        return self._run(sql, match, self.low, self.high)

    def _joined(self, match: str) -> Iterator[int]:
        """Candidates of the index, each looked up in the numbers, where there are filters, and in the texts."""
        numbers = "CROSS JOIN completions ON completions.id = texts_fts.rowid" if self.where else ""
        where = f"{self.where} AND " if self.where else ""
        sql = (
            f"SELECT texts_fts.rowid FROM texts_fts {numbers} CROSS JOIN texts ON texts.id = texts_fts.rowid "
            f"WHERE texts_fts MATCH ? AND texts_fts.rowid BETWEEN ? AND ? AND {where}holds(texts.text) "
            "ORDER BY texts_fts.rowid DESC"
        )
        return self._run(sql, match, self.low, self.high, *self.values)

    def _among(self, keys: Sequence[int], where: str, *values: object) -> Iterator[int]:
        """Those of some keys, newest first, that pass `where` and whose text holds the phrase."""
        source = "completions USING (id) CROSS JOIN texts" if where else "texts"
        sql = (
            f"WITH chosen (id) AS MATERIALIZED (SELECT value FROM json_each(?)) SELECT id FROM chosen "
            f"CROSS JOIN {source} USING (id) WHERE {where}holds(text)"
        )
        return self._run(sql, json.dumps(keys), *values)

    def _run(self, sql: str, *values: object) -> Iterator[Any]:
        """The first column of each row, until there is no time left."""
        self._look_at_the_time()
        try:
            for (value,) in self.db.execute(sql, values):
                yield value
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise _OutOfTime from None
            if "user-defined function" in str(error):
                raise TypeError("a text is no text") from None
            raise

    def _look_at_the_time(self) -> None:
        if self.timer.is_over():
            raise _OutOfTime


def _is_indexed(db: sqlite3.Connection) -> bool:
    """Whether the full-text index has every text, and this SQLite can use it."""
    known = db.execute("SELECT complete FROM text_index").fetchone()
    return known is not None and bool(known[0]) and has_trigrams(db)


def _bounds(query: SearchQuery, before: int | None) -> tuple[int, int]:
    """The range of keys that is asked for, both ends included."""
    low = completion_ids(query.step_min or 0)[0]
    high = completion_ids(LARGEST if query.step_max is None else query.step_max)[1]
    return low, high if before is None else min(high, before - 1)


def _out_of_time(keys: Sequence[int], seconds: float) -> str:
    """How far a search came that was ended."""
    unknown = f"in steps up to {step_of(keys[-1]):,}" if keys else "in all steps"
    return f"The search was ended after {seconds:g} s: {unknown} there may be more."
