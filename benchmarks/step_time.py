"""Real steps against the estimate of New run: `python benchmarks/step_time.py [NAME ...]` (a minute or two).

For each configuration the machine is measured as a check does, a few steps are trained in this process, and their mean
is held against the estimate for the completions that they had. docs/models.md quotes the ratios.
"""

import statistics
import sys
import time
from typing import Any

import torch

from engine.benchmark import measure_speed
from engine.config import RunConfig
from engine.config_io import parse_config
from engine.models.catalog import model_facts
from engine.presets import SMOLLM2, preset
from engine.step_time import step_time
from engine.train.session import build_session
from engine.train.step import train_step

STEPS, WARM_UP = 4, 1
SUMS: dict[str, Any] = {"data": {"source": "arithmetic", "params": {"digits": 2}, "prompt_template": "{prompt}"}}
CASES: dict[str, tuple[str, dict[str, Any]]] = {  # name → preset, sections changed
    "embedded": ("learn-to-add", {}),
    "smollm2, LoRA, 6 tokens": ("smollm2-sums", SUMS),
    "smollm2, LoRA, 64 tokens": (
        "smollm2-sums",
        {**SUMS, "rollout": {"prompts_per_step": 2, "max_completion_length": 64}},
    ),
    "smollm2, all weights": ("smollm2-sums", {**SUMS, "model": {"source": SMOLLM2, "adapter": "full"}}),
}


def main(names: list[str]) -> int:
    print(f"{'':26}{'measured':>10}{'estimated':>11}{'ratio':>7}")
    for name in names:
        measured, estimated = compare(changed(*CASES[name]))
        print(f"{name:26}{measured:8.2f} s{estimated:9.2f} s{measured / estimated:7.2f}")
    return 0


def changed(key: str, sections: dict[str, Any]) -> RunConfig:
    raw = preset(key).config.model_dump(mode="json")
    merged = {
        name: {**part, **sections.get(name, {})} if isinstance(part, dict) else part for name, part in raw.items()
    }
    return parse_config({**merged, "threads": 1})


def compare(config: RunConfig) -> tuple[float, float]:
    """(median seconds of a step, the estimate for its completions)."""
    torch.set_num_threads(1)
    speed = measure_speed("cpu", 1)
    session = build_session(config, progress=lambda _: None)
    seconds, lengths = [], []
    for step in range(1, WARM_UP + STEPS + 1):
        started = time.perf_counter()
        record = train_step(session, step, beat=lambda *_, **__: None)
        seconds.append(time.perf_counter() - started)
        lengths.append(record.metrics["completions/mean_length"])
    prompt_tokens = len(session.renderer.render(session.dataset.train(0)).ids)
    session.close()
    found = step_time(config, model_facts(config.model.source), prompt_tokens, statistics.mean(lengths), speed)
    assert found is not None
    return statistics.median(seconds[WARM_UP:]), found.total_s


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:] or list(CASES)))
