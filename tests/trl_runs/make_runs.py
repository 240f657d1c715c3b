"""Records the small runs beside it with TRL's own GRPOTrainer: what the importer of recorded runs is tested on.

    python tests/trl_runs/make_runs.py      (a Python with trl==1.16.0 and torch on a CPU; about a minute)

Each trains the embedded model for a few steps. Kept of its output folder: completions/, the trainer_state.json of the
newest checkpoint, and README.md. Weights, optimizer and training_args.bin are left out.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

HERE = Path(__file__).parent
MODEL = HERE.parents[1] / "engine" / "models" / "embedded"
CHAT = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
SUMS = [(47, 38), (12, 9), (5, 60), (71, 18), (33, 33), (80, 7), (26, 45), (9, 8)]


def text_of(completion: Any) -> str:
    return completion if isinstance(completion, str) else completion[-1]["content"]


def exact(completions: list[Any], answer: list[str], **_: Any) -> list[float]:
    return [float(text_of(text).strip() == right) for text, right in zip(completions, answer, strict=True)]


def digits(completions: list[Any], answer: list[str], **_: Any) -> list[float]:
    """The share of digits in their places."""
    return [
        sum(a == b for a, b in zip(text_of(text).strip(), right, strict=False)) / len(right)
        for text, right in zip(completions, answer, strict=True)
    ]


def sometimes(completions: list[Any], answer: list[str], log_extra: Any, **_: Any) -> list[float | None]:
    """None for a completion of other than two characters; logs what it read and what was right."""
    read = [text_of(text).strip() for text in completions]
    log_extra("read", read)
    log_extra("golden", list(answer))
    return [float(text == right) if len(text) == 2 else None for text, right in zip(read, answer, strict=True)]


def rows(chat: bool) -> Dataset:
    prompts = [f"{a}+{b}=" for a, b in SUMS]
    return Dataset.from_list([
        {"prompt": [{"role": "user", "content": prompt}] if chat else prompt, "answer": str(a + b)}
        for prompt, (a, b) in zip(prompts, SUMS, strict=True)
    ])  # fmt: skip


RUNS: dict[str, dict[str, Any]] = {
    # two rewards with weights, every step logged, a KL penalty, a checkpoint half-way
    "two_rewards": {
        "rewards": [exact, digits], "reward_weights": [1.0, 0.5], "max_steps": 6, "save_steps": 3, "beta": 0.04,
    },
    # every second step logged, and the last one; a reward that is sometimes None; extra columns
    "every_second": {"rewards": [sometimes, digits], "max_steps": 5, "logging_steps": 2},
    # conversations; advantages not divided; log_unique_prompts
    "chat": {"rewards": [digits], "max_steps": 3, "chat": True, "scale_rewards": "none", "log_unique_prompts": True},
    # each batch is used for two updates, so the same completions are logged twice; an evaluation at step 2
    "reused": {"rewards": [digits], "max_steps": 4, "num_iterations": 2, "eval_strategy": "steps", "eval_steps": 2},
}  # fmt: skip


def record(name: str, rewards: list[Any], chat: bool = False, **settings: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    if chat:
        tokenizer.chat_template = CHAT
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / name
        args = GRPOConfig(
            output_dir=str(output), seed=0, num_generations=4, per_device_train_batch_size=16, bf16=False, use_cpu=True,
            max_completion_length=6, learning_rate=1e-4, report_to="none", disable_tqdm=True, log_completions=True,
            num_completions_to_print=0, gradient_checkpointing=False, per_device_eval_batch_size=8,
            **{"logging_steps": 1, **settings},
        )  # fmt: skip
        evaluated = {"eval_dataset": rows(chat).select(range(4))} if "eval_steps" in settings else {}
        model = AutoModelForCausalLM.from_pretrained(MODEL)
        trainer = GRPOTrainer(
            model, rewards, args=args, train_dataset=rows(chat), processing_class=tokenizer, **evaluated
        )
        trainer.train()
        trainer._save_checkpoint(trainer.model, None)
        keep(output, HERE / name)


def keep(output: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(output / "completions", target / "completions")
    newest = max(output.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    (target / newest.name).mkdir()
    shutil.copy(newest / "trainer_state.json", target / newest.name)
    shutil.copy(output / "README.md", target)
    print(name_and_size(target))


def name_and_size(folder: Path) -> str:
    return f"{folder.name}: {sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()):,} bytes"


if __name__ == "__main__":
    for name in sys.argv[1:] or RUNS:
        record(name, **RUNS[name])
