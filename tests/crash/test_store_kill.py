"""kill -9 at any moment takes no step that was acknowledged."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from engine.runs.reader import RunReader

# Writes steps as fast as it can and says "<step>" only after commit_step has returned.
WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from engine.runs.store import StoreWriter
from tests.fake_records import FakeRun
from tests.fakes import fake_config
store = StoreWriter(Path(sys.argv[1]))
store.begin_attempt(store.last_step(), {})
template = FakeRun(fake_config(name="kill", steps=1000)).step(1)
number = store.last_step()
while True:
    number += 1
    store.beat(number - 1, "rollout")
    store.commit_step(replace(template, step=number))
    print(number, flush=True)
"""


STEP_S = 0.012  # about what a step of this writer takes: the kill falls anywhere in one


def kill_after(path: Path, lines: int, rng: random.Random) -> int:
    """Run the writer, kill it in the step after so many acknowledged ones; return the last one it acknowledged."""
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=root) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(lines)]
        time.sleep(rng.random() * STEP_S)
        writer.send_signal(signal.SIGKILL)
        rest = [int(line) for line in writer.stdout.read().split(b"\n")[:-1]]
    return (acknowledged + rest)[-1]


def check_kills(path: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(kills):
        acknowledged = kill_after(path, rng.randint(1, 40), rng)
        steps = RunReader(path).steps(columns=("reward",))["step"].tolist()
        assert steps == list(range(1, len(steps) + 1))
        assert len(steps) in (acknowledged, acknowledged + 1)  # one may be stored whose line was never printed
        assert len(RunReader(path).completions(acknowledged)) == 48
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        steps, completions, tokens = (
            db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("steps", "completions", "tokens")
        )
        assert completions == tokens == 48 * steps
    assert [attempt.outcome for attempt in RunReader(path).attempts()] == [None] * kills


@pytest.mark.slow
def test_five_kills_lose_no_acknowledged_step(tmp_path: Path) -> None:
    check_kills(tmp_path / "run.db", kills=5, seed=0)


@pytest.mark.slow
def test_a_hundred_kills_lose_no_acknowledged_step(tmp_path: Path) -> None:
    check_kills(tmp_path / "run.db", kills=100, seed=1)
