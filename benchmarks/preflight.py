"""Does a pre-flight foresee the dead groups of the first 20 steps? `python benchmarks/preflight.py [SEED ...]`.

For each task, group size and seed (default 0 to 4): the pre-flight in its own process, as the page starts it, then the
first 20 steps of the run itself with the settings of the demo; and the preset "SmolLM2 learns sums", if its package is
installed, which takes 2 minutes a seed. Both have the same prompts; their samples differ. One
line each, and how many of the observed shares lay inside the 95 % intervals. The forecast is of the policy before
training, and the policy learns in these steps: that is part of the test. `from G 8`: what the pre-flight with groups
of 8 forecast for this group size.
"""

import os
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from engine.analysis.forecast import STEPS_AHEAD, Forecast, Interval
from engine.config import RewardSpec, RunConfig
from engine.config_io import parse_config
from engine.errors import ModelError
from engine.models.catalog import resolve_source
from engine.preflight.folder import result_path, start_preflight
from engine.preflight.result import read_result
from engine.presets import LEARN_TO_ADD, REWARD_HACKING, SHORT_AND_RIGHT, SMOLLM2, preset
from engine.runs.status import run_status

EXACT = RewardSpec(name="exact_match")
TASKS: dict[str, tuple[tuple[RewardSpec, ...], float]] = {
    "exact match": ((EXACT,), 1.0),
    "exact + digits": (LEARN_TO_ADD.rewards, 1.0),
    "exact, temperature 0.7": ((EXACT,), 0.7),
    "number + length": (SHORT_AND_RIGHT.rewards, 1.0),
    "looks like 1xx": (REWARD_HACKING.rewards, 1.0),
}
GROUP_SIZES = (8, 4, 16)  # 8 first: the others are compared with what it foresaw


def main(seeds: list[int]) -> int:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    print(f"{'task':<23}{'G':>3}{'seed':>5}  {'forecast':>8}  {'95 % interval':<15}{'observed':>9}  inside   from G 8")
    inside: list[bool] = []
    across: list[bool] = []
    widths: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for task in TASKS:
            for seed in seeds:
                foreseen: Forecast | None = None
                for size in GROUP_SIZES:
                    config = configured(task, size, seed)
                    found = forecast(Path(folder), config)
                    foreseen = foreseen or found
                    seen = observed(config)
                    line, hit = told(found.shares[size], seen)
                    inside.append(hit)
                    widths.append(found.shares[size].high - found.shares[size].low)
                    if size != GROUP_SIZES[0]:
                        other, hit = told(foreseen.shares[size], seen)
                        across.append(hit)
                        line += f"  {other}"
                    print(f"{task:<23}{size:>3}{seed:>5}  {line}", flush=True)
        for seed in seeds if has_smollm2() else []:
            config = smollm2(Path(folder), seed)
            size = config.rollout.num_generations
            share = forecast(Path(folder), config).shares[size]
            line, hit = told(share, observed(config))
            inside.append(hit)
            widths.append(share.high - share.low)
            print(f"{'SmolLM2 learns sums':<23}{size:>3}{seed:>5}  {line}", flush=True)
    print(f"inside: {sum(inside)} of {len(inside)}; from groups of another size: {sum(across)} of {len(across)}")
    print(f"mean width of the intervals: {statistics.mean(widths):.1%}")
    return 0


def configured(task: str, size: int, seed: int) -> RunConfig:
    rewards, temperature = TASKS[task]
    raw = LEARN_TO_ADD.model_copy(update={"rewards": rewards, "seed": seed}).model_dump(mode="json")
    raw["rollout"] |= {"num_generations": size, "temperature": temperature}
    return parse_config(raw)


def has_smollm2() -> bool:
    try:
        resolve_source(SMOLLM2)
    except ModelError:
        return False
    return True


def smollm2(root: Path, seed: int) -> RunConfig:
    chosen = preset("smollm2-sums")
    data = root / chosen.config.data.source
    if chosen.make_data is not None and not data.exists():
        chosen.make_data(data)
    raw = chosen.config.model_copy(update={"seed": seed, "threads": 1}).model_dump(mode="json")
    raw["data"]["source"] = str(data)
    return parse_config(raw)


def forecast(root: Path, config: RunConfig) -> Forecast:
    paths = start_preflight(root, config)
    while (status := run_status(paths)).is_live:
        time.sleep(0.1)
    if status.state != "finished":
        raise SystemExit(f"The pre-flight {status.state}: {status.detail}")
    found = read_result(result_path(paths)).forecast
    assert found is not None
    return found


def observed(config: RunConfig) -> float:
    """The share of groups without signal in the first steps of the run."""
    import torch

    from engine.train.session import build_session
    from engine.train.step import train_step

    torch.set_num_threads(config.threads or 1)
    with closing(build_session(config, progress=lambda _: None)) as session:
        records = [train_step(session, step, beat=lambda *_, **__: None) for step in range(1, STEPS_AHEAD + 1)]
    return statistics.mean(record.metrics["frac_reward_zero_std"] for record in records)


def told(share: Interval, seen: float) -> tuple[str, bool]:
    hit = share.low <= seen <= share.high
    interval = f"{share.low:.1%}–{share.high:.1%}"
    return f"{share.value:>8.1%}  {interval:<15}{seen:>9.1%}  {'yes' if hit else 'NO':<6}", hit


if __name__ == "__main__":
    sys.exit(main([int(argument) for argument in sys.argv[1:]] or [0, 1, 2, 3, 4]))
