"""Makes the embedded model: a character-level Llama that adds two-digit numbers, and is right about four times in ten.

    python -m engine.models.embedded.make [FOLDER]

writes model.safetensors, config.json, generation_config.json, tokenizer.json and tokenizer_config.json, in about ten
minutes on one core.

What it was trained on: sums a + b of two numbers from 0 to 99, written `47+38=85` and ended by <eos>, with the loss on
the answer alone. First SCHOOLBOOK_STEPS batches with right answers: here it learns to add. Then PUPILS_STEPS batches
that an unreliable class has worked out: RIGHT_SHARE of the answers are right, every other one holds one slip (a wrong
digit, a carry forgotten or invented, two digits swapped), drawn anew each time a sum is used. Here it learns how often
to slip, so that at temperature 1 its samples are right about as often as the class was. Nearly every group of
completions then holds right and wrong answers, and GRPO has something to work with from its first step; what GRPO
teaches is to stop slipping. Held-out sums (engine.data.tasks.arithmetic.is_held_out) are in none of the batches.

The same version of torch gives the same file; another processor may round differently.
"""

import random
import sys
import time
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from engine.data.tasks.arithmetic import is_held_out

SEED = 20240
SCHOOLBOOK_STEPS, PUPILS_STEPS, BATCH_SIZE = 2000, 600, 128
STEPS = SCHOOLBOOK_STEPS + PUPILS_STEPS
PEAK_LEARNING_RATE, WARMUP_STEPS = 1e-3, 200
RIGHT_SHARE = 0.40
PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
CHARACTERS = "0123456789+-*= abcdefghijklmnopqrstuvwxyz"
CONTEXT_LENGTH = 128


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token a character. Characters outside the vocabulary become <unk> instead of vanishing."""
    vocabulary = {token: index for index, token in enumerate([PAD, EOS, UNKNOWN, *CHARACTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        model_max_length=CONTEXT_LENGTH,
        clean_up_tokenization_spaces=False,
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained Llama with 0.8 million parameters."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=344,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT_LENGTH,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def training_problems() -> list[tuple[int, int]]:
    """All pairs of numbers from 0 to 99 that are not held out."""
    return [(a, b) for a in range(100) for b in range(100) if not is_held_out(a, b)]


def slip(a: int, b: int, rng: random.Random) -> int:
    """A wrong answer to a + b as a pupil may write it."""
    digits = list(str(a + b))
    kind = rng.choice(("digit", "digit", "carry", "swap"))
    if kind == "swap" and digits[-2:] != digits[-2:][::-1]:
        digits[-2:] = digits[-2:][::-1]
        return int("".join(digits))
    if kind == "carry":
        return a + b - 10 if a % 10 + b % 10 > 9 else a + b + 10
    place = rng.randrange(len(digits))
    digits[place] = rng.choice([digit for digit in "0123456789" if digit != digits[place]])
    return int("".join(digits))


def make_batch(
    tokenizer: PreTrainedTokenizerFast, problems: list[tuple[int, int]], right_share: float, rng: random.Random
) -> tuple[Tensor, Tensor]:
    """Token ids [BATCH_SIZE, T] padded on the right, and labels of the same shape: −100 except on answer and <eos>."""
    rows, labels = [], []
    for a, b in rng.choices(problems, k=BATCH_SIZE):
        written = a + b if rng.random() < right_share else slip(a, b, rng)
        prompt = tokenizer.encode(f"{a}+{b}=")
        answer = [*tokenizer.encode(str(written)), tokenizer.eos_token_id]
        rows.append(prompt + answer)
        labels.append([-100] * len(prompt) + answer)
    width = max(map(len, rows))
    padded = [row + [tokenizer.pad_token_id] * (width - len(row)) for row in rows]
    padded_labels = [row + [-100] * (width - len(row)) for row in labels]
    return torch.tensor(padded), torch.tensor(padded_labels)


def learning_rate_share(step: int) -> float:
    """Share of the peak learning rate at a 0-based step: a linear warm-up, then linearly down to zero."""
    return min((step + 1) / WARMUP_STEPS, (STEPS - step) / (STEPS - WARMUP_STEPS))


def pretrain() -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The model after the schoolbook and the pupils."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # sums are then always added up in the same order
    rng = random.Random(SEED)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    problems = training_problems()
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate_share)
    started = time.monotonic()
    for step in range(1, STEPS + 1):
        right_share = 1.0 if step <= SCHOOLBOOK_STEPS else RIGHT_SHARE
        input_ids, labels = make_batch(tokenizer, problems, right_share, rng)
        loss = model(input_ids=input_ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            print(f"step {step}/{STEPS}  loss {loss.item():.4f}  {time.monotonic() - started:.0f} s", flush=True)
    model.train(False)
    return model, tokenizer


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    model, tokenizer = pretrain()
    model.generation_config.do_sample = True
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # safetensors writes it for its owner alone


if __name__ == "__main__":
    main()
