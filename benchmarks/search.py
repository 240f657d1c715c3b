"""How long a search takes on 1,000,000 completions: `python benchmarks/search.py [RUN_FOLDER]`.

Writes the run when the folder does not exist (some three minutes; default: in a temporary folder), then asks each kind
of query five times: the first with run.db dropped from the page cache, where the system can do that, the others warm.
Beside them is what one would write without an index: LIKE over the texts in SQL, and pandas' str.contains. Goal: 0.2 s.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from large_run import GIVES_UP, RARE, write_large_run

from engine.runs.hits import hits
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.search import find
from engine.runs.search_query import SearchQuery

GOAL_S = 0.2
STEPS = 15_625  # of 64 completions
WARM = 5
QUERIES = {
    "rare phrase": SearchQuery(RARE.strip()),
    "common phrase": SearchQuery("the answer"),
    "phrase of common parts, itself rare": SearchQuery("sum of the number which"),
    "phrase that is nowhere": SearchQuery("so the answer is qqq"),
    "one character, common": SearchQuery("e"),
    "one character, rare": SearchQuery("Q"),
    "two characters, common": SearchQuery("th"),
    "two characters, in 2 %": SearchQuery(" 7"),
    "two characters, rare": SearchQuery("qz"),
    "no phrase, common filter": SearchQuery(advantage="positive"),
    "no phrase, rare filter": SearchQuery(reward="digit_match", reward_missing=True),
    "no phrase, filter that nothing passes": SearchQuery(total_min=99),
    "no phrase, preset: cut off but rewarded": SearchQuery(finish_reason="length", advantage="positive"),
    "parsed answer": SearchQuery(parsed="7777"),
    "common phrase, rare filter": SearchQuery("the answer", reward="digit_match", reward_missing=True),
    "rare phrase, common filter": SearchQuery(RARE.strip(), advantage="positive"),
    "common phrase, common filter": SearchQuery("the answer", advantage="positive"),
    "common phrase and filter that exclude each other": SearchQuery(GIVES_UP.strip(), passed=True),
    "two characters and a filter": SearchQuery("th", finish_reason="length", advantage="positive"),
    "common phrase in 100 old steps": SearchQuery("the answer", step_min=500, step_max=600),
}


def main(folder: Path | None) -> int:
    with tempfile.TemporaryDirectory() as temporary:
        paths = RunPaths(folder or Path(temporary) / "million")
        if not paths.db.exists():
            write_large_run(paths.root.parent, paths.run_id, STEPS, tokens=False)
        reader = RunReader(paths.db)
        print(f"{paths.db.stat().st_size / 1e6:,.0f} MB, {reader.last_step():,} steps")
        print(f"{'':50} {'cold':>7} {'warm':>7} {'worst':>7} {'CPU':>7}  {'found':>7}")
        slowest = 0.0
        for name, query in QUERIES.items():
            cold = timed(lambda query=query: shown(reader, query), paths, cold=True)[0]
            find(reader, query, seconds=60)  # warm
            runs = [timed(lambda query=query: shown(reader, query), paths) for _ in range(WARM)]
            seconds = [run[0] for run in runs]
            slowest = max(slowest, statistics.median(seconds))
            warm, worst = statistics.median(seconds), max(seconds)
            work = min(run[2] for run in runs)
            print(
                f"{name:50} {cold * 1e3:7.0f} {warm * 1e3:7.0f} {worst * 1e3:7.0f} {work * 1e3:7.0f}  {runs[-1][1]:>7}"
            )
        print(
            f"milliseconds; slowest median {slowest * 1e3:.0f} (goal: {GOAL_S * 1e3:.0f}); …: ended by the time limit"
        )
        beside_the_plain_way(reader, paths)
    return 0 if slowest <= GOAL_S else 1


def shown(reader: RunReader, query: SearchQuery) -> str:
    """What a page does: count, and show the first 50."""
    found = find(reader, query)
    hits(reader, found.keys[:50], query.phrase)
    return f"{len(found.keys):,}{'+' if found.more else ''}{'' if found.complete else ' …'}"


def timed(act: Callable[[], str], paths: RunPaths, *, cold: bool = False) -> tuple[float, str, float]:
    """Seconds, what it gave, and seconds of processor time: the same on a machine that others use too."""
    if cold:
        drop_from_cache(paths.db)
    started, worked = time.perf_counter(), time.process_time()
    value = act()
    return time.perf_counter() - started, value, time.process_time() - worked


def drop_from_cache(path: Path) -> None:
    """Ask the system to forget the pages of a file; they must be on disk for that."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def beside_the_plain_way(reader: RunReader, paths: RunPaths) -> None:
    with reader.database() as db:
        started = time.perf_counter()
        frame = pd.DataFrame(db.execute("SELECT id, text FROM texts"), columns=["id", "text"])
        loaded = time.perf_counter() - started
        print(f"pandas: {loaded:.1f} s to load the texts; times below are without that")
        for name in ("rare phrase", "common phrase", "two characters, rare"):
            phrase = QUERIES[name].phrase

            def like(phrase: str = phrase) -> str:
                return str(len(db.execute("SELECT id FROM texts WHERE text LIKE ?", (f"%{phrase}%",)).fetchall()))

            def contains(phrase: str = phrase) -> str:
                return str(int(frame["text"].str.contains(phrase, case=False, regex=False).sum()))

            ours = statistics.median(
                timed(lambda name=name: shown(reader, QUERIES[name]), paths)[0] for _ in range(WARM)
            )
            theirs, pandas = timed(like, paths)[0], timed(contains, paths)[0]
            print(
                f"{name:30} {ours * 1e3:7.0f} ms; LIKE {theirs * 1e3:7.0f} ms ({theirs / ours:.0f} ×); "
                f"pandas {pandas * 1e3:7.0f} ms ({pandas / ours:.0f} ×)"
            )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
