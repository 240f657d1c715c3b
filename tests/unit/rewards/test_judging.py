"""Rewards by a second model, with models small enough to check: values, batches, and what cannot be judged."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import AddedToken

from engine.models.classifier import load_classifier, load_judge
from engine.rewards import judging
from engine.rewards.judging import FluencyParams, LocalJudgeParams
from engine.rewards.protocol import MISSING
from engine.rewards.registry import REWARDS
from tests.unit.models.test_classifier import write_classifier

PROMPTS, TEXTS = ["1+2=", "12+34="], ["3", "46"]


def call(name: str, completions: list[str], prompts: list[Any] | None = None, answer: Any = None, **params: Any) -> Any:
    info = REWARDS[name]
    extra: dict[str, Any] = {}
    reward = info.make(info.params(**params))
    values = reward(
        completions=completions, prompts=prompts or PROMPTS[: len(completions)], answer=answer,
        log_extra=extra.__setitem__,
    )  # fmt: skip
    return values, extra.get(MISSING)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_classifier(tmp_path_factory.mktemp("judge") / "reward", 2))


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_reward_model_gives_the_logit_of_the_label_for_prompt_and_completion(
    classifier: str, batch_size: int
) -> None:
    model, tokenizer = load_classifier(classifier, "cpu")
    logits = [
        float(model(**tokenizer([p + t], return_tensors="pt")).logits[0, 1])
        for p, t in zip(PROMPTS, TEXTS, strict=True)
    ]
    values, _ = call("reward_model", TEXTS, source=classifier, label=1, batch_size=batch_size)
    assert values == pytest.approx(logits, abs=1e-6)  # padding changes the order of sums
    squashed, _ = call("reward_model", TEXTS, source=classifier, label=1, sigmoid=True)
    assert squashed == pytest.approx([1 / (1 + math.exp(-logit)) for logit in logits], abs=1e-6)


def test_a_label_that_the_model_lacks_is_an_error(classifier: str) -> None:
    with pytest.raises(ValueError, match="label 2 does not exist: the model has 2"):
        call("reward_model", TEXTS, source=classifier, label=2)


@pytest.mark.slow
def test_a_judge_compares_the_probabilities_of_yes_and_no_after_the_rubric() -> None:
    model, tokenizer = load_judge("embedded", "cpu")
    ids = tokenizer("1+2=3", return_tensors="pt")["input_ids"]
    likely = model(input_ids=ids).logits[0, -1].softmax(-1)
    # The character model has no word "yes": the tokens that begin the words stand for them.
    yes, no = (likely[tokenizer.encode(word, add_special_tokens=False)[0]] for word in ("yes", "no"))
    values, reasons = call("local_judge", TEXTS, source="embedded", rubric="{prompt}{completion}", batch_size=2)
    assert values[0] == pytest.approx(float(yes / (yes + no)), abs=1e-5) and reasons == [None, None]


@pytest.mark.slow
def test_a_judge_says_why_it_cannot_judge() -> None:
    values, reasons = call(
        "local_judge", ["3", "4"], answer=[None, "4"], source="embedded", rubric="{completion}{answer}"
    )
    assert values[0] is None and values[1] is not None
    assert reasons == ["this row has no reference answer for the rubric", None]
    values, reasons = call("local_judge", ["3" * 5000], source="embedded")
    assert values == [None] and "more than the" in reasons[0]


@pytest.mark.slow
def test_fluency_is_the_mean_log_probability_between_floor_and_ceiling() -> None:
    model, tokenizer = load_judge("embedded", "cpu")
    start = tokenizer.encode("1+2=")
    start = start[:-1] if start[-1] == tokenizer.eos_token_id else start
    rest = tokenizer.encode("3+", add_special_tokens=False)
    scores = model(input_ids=torch.tensor([[*start, *rest]])).logits[0].log_softmax(-1)
    mean = sum(float(scores[len(start) - 1 + i, token]) for i, token in enumerate(rest)) / len(rest)
    values, _ = call("fluency", ["3+", ""], prompts=["1+2=", "1+2="], source="embedded", floor=-50.0, ceiling=0.0)
    assert values == [pytest.approx(1 + mean / 50, abs=1e-5), 0]


class _Letters:
    """A tokenizer whose tokens are the characters."""

    bos_token_id, eos_token_id, unk_token_id, model_max_length = None, 0, None, 100
    chat_template, all_special_ids, added_tokens_decoder = None, (), dict[int, Any]()

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [ord(letter) for letter in text]


def test_a_likelihood_that_is_no_number_does_not_become_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "_load", lambda *_: (None, _Letters()))
    monkeypatch.setattr(judging, "_mean_logprobs", lambda *_: [math.nan, -50.0])
    values, _ = call("fluency", TEXTS, source="m")
    assert math.isnan(values[0]) and values[1] == 0.0


def test_the_ceiling_of_fluency_is_above_its_floor() -> None:
    with pytest.raises(ValidationError, match="above the value that is worth 0"):
        FluencyParams(source="m", floor=-1.0, ceiling=-2.0)


def test_a_chat_goes_through_the_template_of_the_model_where_it_has_one(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "reward", 1)
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}={% endfor %}")
    model, tokenizer = load_classifier(str(folder), "cpu")
    expected = float(model(**tokenizer(["1+2=3="], return_tensors="pt")).logits[0, 0])
    values, _ = call("reward_model", ["3"], prompts=[[{"role": "user", "content": "1+2"}]], source=str(folder))
    assert values == [pytest.approx(expected, abs=1e-6)]


def test_a_rubric_shows_the_completion() -> None:
    with pytest.raises(ValidationError, match="does not show the judge"):
        LocalJudgeParams(source="m", rubric="Is it good?")


def test_a_marker_that_cannot_be_taken_apart_fails_its_own_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokenizer = _Letters()
    tokenizer.added_tokens_decoder = {ord("§"): AddedToken("§", special=True)}
    monkeypatch.setattr(judging, "_load", lambda *_: (None, tokenizer))
    monkeypatch.setattr(judging, "_yes_share", lambda _model, _tokenizer, rows: [0.25] * len(rows))
    monkeypatch.setattr(judging, "_mean_logprobs", lambda _model, _tokenizer, rows: [-1.0] * len(rows))
    for name, fine in (("local_judge", 0.25), ("fluency", 1.0)):
        values, reasons = call(name, ["a § b", "b"], source="m", **({"rubric": "{completion}"} if fine < 1 else {}))
        assert math.isnan(values[0]) and values[1] == fine
        assert reasons == ["the text holds '§', a marker of the judge's own that cannot be taken apart", None]
