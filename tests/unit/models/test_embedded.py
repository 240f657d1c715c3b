"""The embedded model: loads with plain transformers, and is right often enough to learn from, and not too often."""

import random
from collections import defaultdict
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.data.tasks.arithmetic import is_held_out
from engine.models.catalog import EMBEDDED_FOLDER, model_facts
from engine.models.embedded import make


def completions(problems: list[tuple[int, int]], *, greedy: bool) -> list[str]:
    """One completion for each problem, at temperature 1 or greedy, of 6 tokens at most."""
    tokenizer: Any = AutoTokenizer.from_pretrained(EMBEDDED_FOLDER)
    model: Any = AutoModelForCausalLM.from_pretrained(EMBEDDED_FOLDER).eval()  # type: ignore[no-untyped-call]
    by_length: dict[int, list[int]] = defaultdict(list)
    prompts = [tokenizer.encode(f"{a}+{b}=") for a, b in problems]
    for index, prompt in enumerate(prompts):
        by_length[len(prompt)].append(index)
    texts = [""] * len(problems)
    for length, indices in by_length.items():
        ids = torch.tensor([prompts[index] for index in indices])
        for _ in range(6):
            with torch.no_grad():
                probabilities = model(input_ids=ids).logits[:, -1].softmax(-1)
            token = probabilities.argmax(-1, keepdim=True) if greedy else torch.multinomial(probabilities, 1)
            ids = torch.cat([ids, token], dim=1)
        for index, row in zip(indices, ids[:, length:].tolist(), strict=True):
            texts[index] = tokenizer.decode(row).split("<eos>")[0]
    return texts


def held_out_accuracy(num_problems: int, *, greedy: bool) -> float:
    pairs = [(a, b) for a in range(100) for b in range(100) if is_held_out(a, b)]
    problems = random.Random(0).sample(pairs, num_problems)
    torch.manual_seed(0)
    texts = completions(problems, greedy=greedy)
    return sum(text == str(a + b) for text, (a, b) in zip(texts, problems, strict=True)) / num_problems


def test_at_temperature_1_it_is_right_on_25_to_45_percent_of_held_out_sums() -> None:
    assert 0.25 <= held_out_accuracy(512, greedy=False) <= 0.45


def test_its_likeliest_answer_is_nearly_always_right() -> None:
    assert held_out_accuracy(128, greedy=True) >= 0.95  # it knows how to add: GRPO teaches it to stop slipping


def test_its_facts() -> None:
    facts = model_facts("embedded")
    assert (facts.architecture, facts.context_length, facts.has_chat_template) == ("LlamaForCausalLM", 128, False)
    assert facts.parameters == 802_944
    assert (EMBEDDED_FOLDER / "model.safetensors").stat().st_size < 4_000_000


def test_its_tokenizer_has_one_token_a_character_and_gives_back_the_text() -> None:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED_FOLDER)
    text = "47+38=85 spell abc * - xyz"
    assert len(tokenizer.encode(text)) == len(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode("Ä\n") == [tokenizer.unk_token_id] * 2
    assert (tokenizer.pad_token, tokenizer.eos_token) == ("<pad>", "<eos>")


def test_its_tokenizer_is_the_one_that_make_makes() -> None:
    shipped = AutoTokenizer.from_pretrained(EMBEDDED_FOLDER)
    assert shipped.get_vocab() == make.make_tokenizer().get_vocab()


def test_pretraining_uses_no_held_out_sum() -> None:
    problems = make.training_problems()
    assert not any(is_held_out(a, b) for a, b in problems)
    assert len(problems) == 10_000 - sum(is_held_out(a, b) for a in range(100) for b in range(100))


def test_a_slip_is_never_the_right_answer() -> None:
    rng = random.Random(0)
    for a, b in [(0, 0), (3, 8), (50, 5), (47, 38), (99, 99)]:
        slips = {make.slip(a, b, rng) for _ in range(200)}
        assert a + b not in slips
        assert all(slip >= 0 for slip in slips)


def test_pupils_are_right_as_often_as_they_should_be() -> None:
    tokenizer = make.make_tokenizer()
    input_ids, labels = make.make_batch(tokenizer, [(47, 38)], right_share=0.4, rng=random.Random(0))
    answers = [tokenizer.decode(row[row >= 0]) for row in labels]
    assert abs(answers.count("85<eos>") / len(answers) - 0.4) < 0.15  # three standard deviations of 128 draws
    assert {tokenizer.decode(row[:6]) for row in input_ids} == {"47+38="}
