"""The data of a run: a mixture in an order by difficulty resumes exactly, and changed pass rates are noticed."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import DataConfig
from engine.data.examples import open_dataset
from engine.errors import DatasetError
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.train import loop
from engine.train.loop import run_engine
from engine.train.session import fingerprint
from tests.toy import toy_config
from tests.unit.train.conftest import make_run


def sums(folder: Path) -> Path:
    path = folder / "sums.jsonl"
    rows = [{"prompt": f"{i}+1=", "answer": str(i + 1), "level": i % 3} for i in range(30)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rates(folder: Path, flipped: bool) -> str:
    """Every prompt was right half the time, but for one that was always, or never."""
    examples = [e for _, e in open_dataset(DataConfig(source=str(sums(folder)), held_out=4), 0).examples()]
    ids = {example.id: [4, 8] for example in examples} | {examples[7].id: [0 if flipped else 8, 8]}
    path = folder / "pass_rates.json"
    path.write_text(json.dumps({"ids": ids}))
    return str(path)


def mixture(folder: Path) -> dict[str, Any]:
    file = {"source": str(sums(folder)), "weight": 2.0}
    return {"mixture": [file], "order": "hard_first", "difficulty_column": "level", "held_out": 6}


def digests(paths: RunPaths) -> list[str]:
    digests: list[str] = RunReader(paths.db).steps()["digest"].tolist()
    return digests


def test_a_mixture_with_a_curriculum_resumes_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = toy_config(data=mixture(tmp_path))
    whole = make_run(tmp_path / "whole", config)
    assert run_engine(whole) == "finished"
    cut = make_run(tmp_path / "cut", config)
    original = loop.train_step

    def power_cut(session, step, **options):  # type: ignore[no-untyped-def]
        if step == 5:
            raise SystemExit
        return original(session, step, **options)

    monkeypatch.setattr(loop, "train_step", power_cut)
    with pytest.raises(SystemExit):
        run_engine(cut)
    monkeypatch.setattr(loop, "train_step", original)
    assert run_engine(cut) == "finished" and digests(cut) == digests(whole) and len(digests(whole)) == 6


def test_a_run_does_not_go_on_with_other_pass_rates_than_it_began_with(tmp_path: Path) -> None:
    data = {"source": str(sums(tmp_path)), "pass_rates": rates(tmp_path, False), "order": "easy_first", "held_out": 4}
    paths = make_run(tmp_path / "run", toy_config(data=data, optim={"max_steps": 3}))
    assert run_engine(paths) == "finished"
    rates(tmp_path, True)
    with pytest.raises(DatasetError, match="the data are not those of the checkpoint of step 3"):
        run_engine(paths)


def test_the_fingerprint_is_of_rows_split_and_order(tmp_path: Path) -> None:
    def of(seed: int = 0, **settings: Any) -> str:
        return fingerprint(open_dataset(DataConfig(source=str(sums(tmp_path)), held_out=4, **settings), seed))

    level = {"difficulty_column": "level"}
    found = [of(), of(seed=1), of(order="easy_first", **level), of(order="hard_first", **level), of(drop_leaks=True)]
    assert found[4] == found[0] == of() and len(set(found)) == 4
    assert of(order="easy_first", pass_rates=rates(tmp_path, False)) != of(
        order="easy_first", pass_rates=rates(tmp_path, True)
    )
