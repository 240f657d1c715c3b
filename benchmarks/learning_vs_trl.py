"""The embedded model trained by our engine and by TRL's GRPOTrainer: `python benchmarks/learning_vs_trl.py [SEED ...]`.

Same model, prompts in the same order, rewards, sampling settings, loss, optimizer and schedule (those of the demo
preset); what differs is the program, and with it the random numbers that sample. Every 25 steps both are asked the same
512 held-out sums with the same random numbers. Prints a table and writes docs/learning-vs-trl.json; `--draw` makes
docs/learning-vs-trl.png of it. Needs `pip install trl==1.16.0` beside the package, and for the picture playwright with
Debian's chromium. Each training is a process of its own.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.config import RunConfig
from engine.presets import preset

HOME = Path(__file__).parents[1]
RESULT = HOME / "docs" / "learning-vs-trl.json"
PICTURE = HOME / "docs" / "learning-vs-trl.png"
EVERY = 25
SEEDS = (0, 1, 2, 3, 4)


def main(arguments: list[str]) -> int:
    if arguments == ["--draw"]:
        draw(json.loads(RESULT.read_text()))
        return 0
    if len(arguments) == 2 and arguments[0] in TRAINERS:
        print(json.dumps(TRAINERS[arguments[0]](config_of(int(arguments[1])))))
        return 0
    seeds = [int(argument) for argument in arguments] or list(SEEDS)
    found: dict[str, dict[str, list[list[float]]]] = {name: {} for name in TRAINERS}
    for seed in seeds:
        for name in TRAINERS:
            found[name][str(seed)] = in_child(name, seed)
            print(name, "seed", seed, " ".join(f"{value:.3f}" for _, value in found[name][str(seed)]), flush=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    print_table(found)
    return 0


def config_of(seed: int) -> RunConfig:
    config = preset("learn-to-add").config
    evaluation = config.evaluation.model_copy(update={"every": EVERY})
    return config.model_copy(update={"seed": seed, "evaluation": evaluation})


def in_child(name: str, seed: int) -> list[list[float]]:
    command = [sys.executable, str(Path(__file__).resolve()), name, str(seed)]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    curve: list[list[float]] = json.loads(done.stdout.splitlines()[-1])
    return curve


def train_here(config: RunConfig) -> list[list[float]]:
    """[step, held-out pass@1] of our engine."""
    from engine.config_io import dump_config
    from engine.runs.paths import RunPaths
    from engine.runs.reader import RunReader
    from engine.train.loop import run_engine

    with tempfile.TemporaryDirectory() as folder:
        paths = RunPaths(Path(folder) / "run")
        paths.root.mkdir()
        paths.config.write_text(dump_config(config))
        run_engine(paths)
        evaluations = RunReader(paths.db).evaluations()
    return [
        [int(step), float(value)] for step, value in zip(evaluations["step"], evaluations["pass_at_1"], strict=True)
    ]


def train_with_trl(config: RunConfig) -> list[list[float]]:
    """[step, held-out pass@1] of TRL's GRPOTrainer with the settings of `config`."""
    import torch
    from datasets import Dataset
    from torch.optim.lr_scheduler import LambdaLR
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from engine.data.examples import open_dataset
    from engine.models.load import load_policy
    from engine.rewards.score import bind_rewards
    from engine.train.update import learning_rate_at

    torch.set_num_threads(config.threads or 1)
    data, policy = open_dataset(config.data, config.seed), load_policy(config.model, "cpu", seed=config.seed)
    rollout, loss, optim = config.rollout, config.loss, config.optim
    rows = [data.train(i) for i in range(rollout.prompts_per_step * optim.max_steps)]
    table = Dataset.from_list([{"prompt": row.prompt, "answer": row.answer} for row in rows])
    rewards = bind_rewards(config.rewards)
    curve: list[list[float]] = []

    class Evaluation(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            if state.global_step % EVERY == 0:
                curve.append([state.global_step, pass_rate(policy, data, config)])

    curve.append([0, pass_rate(policy, data, config)])
    weights = [parameter for _, parameter in policy.trainable()]
    optimizer = torch.optim.AdamW(weights, lr=optim.learning_rate, betas=(0.9, optim.adam_beta2), weight_decay=0.0)
    schedule = LambdaLR(optimizer, lambda done: learning_rate_at(done + 1, config) / optim.learning_rate)
    with tempfile.TemporaryDirectory() as folder:
        settings = GRPOConfig(
            output_dir=folder, seed=config.seed, max_steps=optim.max_steps, learning_rate=optim.learning_rate,
            per_device_train_batch_size=rollout.prompts_per_step * rollout.num_generations, bf16=False,
            num_generations=rollout.num_generations, max_completion_length=rollout.max_completion_length,
            temperature=rollout.temperature, beta=loss.beta, epsilon=loss.epsilon, loss_type=loss.loss_type,
            scale_rewards=loss.scale_rewards, use_bias_correction_kl=loss.use_bias_correction_kl,
            max_grad_norm=optim.max_grad_norm, reward_weights=[spec.weight for spec in config.rewards],
            gradient_checkpointing=False, shuffle_dataset=False, report_to="none", save_strategy="no",
            logging_steps=1000, use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        trainer = GRPOTrainer(
            policy.model, [named(reward.function, reward.name) for reward in rewards], args=settings,
            train_dataset=table, processing_class=policy.tokenizer, callbacks=[Evaluation()],
            optimizers=(optimizer, schedule),
        )  # fmt: skip
        trainer.train()
    return curve


def named(function: Any, name: str) -> Any:
    function.__name__ = name
    return function


def pass_rate(policy: Any, data: Any, config: RunConfig) -> float:
    """Held-out pass@1 as engine.train.evaluate measures it, with its random numbers."""
    from engine.rollout.sampler import SamplingParams, sample_completions
    from engine.seeds import derive_seed
    from engine.train.evaluate import PROMPTS_AT_ONCE

    was_training = policy.model.training
    policy.model.eval()
    right = 0
    examples = data.held_out[: config.evaluation.num_prompts]
    params = SamplingParams(config.rollout.temperature, config.rollout.max_completion_length)
    for first in range(0, len(examples), PROMPTS_AT_ONCE):
        part = examples[first : first + PROMPTS_AT_ONCE]
        completions = sample_completions(
            policy.model, [policy.tokenizer(example.prompt).input_ids for example in part], 1, params,
            eos_ids=policy.eos_ids, pad_id=policy.pad_id, seed=derive_seed(config.seed, 0, "evaluation", first),
        )  # fmt: skip
        texts = policy.tokenizer.batch_decode(completions.ids, skip_special_tokens=True)
        right += sum(text == example.answer for text, example in zip(texts, part, strict=True))
    policy.model.train(was_training)
    return right / len(examples)


def print_table(found: dict[str, dict[str, list[list[float]]]]) -> None:
    print(f"{'step':>5}" + "".join(f"{name:>12} (min to max)" for name in found))
    for step, columns in by_step(found):
        cells = (f"{statistics.mean(v):>9.3f} ({min(v):.3f}–{max(v):.3f})" for v in columns.values())
        print(f"{step:>5}" + "".join(cells))


def by_step(found: dict[str, dict[str, list[list[float]]]]) -> Iterator[tuple[int, dict[str, list[float]]]]:
    steps = [int(step) for step, _ in next(iter(next(iter(found.values())).values()))]
    for place, step in enumerate(steps):
        yield step, {name: [curve[place][1] for curve in curves.values()] for name, curves in found.items()}


def draw(found: dict[str, dict[str, list[list[float]]]]) -> None:
    """Every seed as a thin line, the mean of a program as a thick one."""
    from playwright.sync_api import sync_playwright
    from plotly import graph_objects as go

    figure = go.Figure()
    for (name, curves), colour in zip(found.items(), ("#1f6feb", "#d9730d"), strict=True):
        for curve in curves.values():
            x, y = zip(*curve, strict=True)
            figure.add_scatter(x=x, y=y, line={"width": 1, "color": colour}, opacity=0.4, showlegend=False)
        x, y = zip(*((step, statistics.mean(columns[name])) for step, columns in by_step(found)), strict=True)
        figure.add_scatter(x=x, y=y, name=LABELS[name], line={"width": 3, "color": colour})
    figure.update_layout(
        template="plotly_white", width=900, height=480, margin={"l": 60, "r": 20, "t": 20, "b": 50},
        xaxis_title="step", yaxis_title="held-out pass@1, 512 prompts", yaxis_range=[0.3, 1.0],
        legend={"x": 0.65, "y": 0.1},
    )  # fmt: skip
    with sync_playwright() as playwright:
        chromium = os.environ.get("GRPO_LAB_CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 900, "height": 480})
        page.set_content(figure.to_html(include_plotlyjs=True, config={"displayModeBar": False}))
        page.wait_for_selector(".main-svg")
        page.screenshot(path=PICTURE)
        browser.close()


TRAINERS = {"lab": train_here, "trl": train_with_trl}
LABELS = {"lab": "GRPO Lab", "trl": "TRL 1.16"}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
