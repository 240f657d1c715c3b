"""Prompts as the model reads them: plain or in a chat template, and whether they fit the model's context."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from engine.config import DataConfig, ModelConfig
from engine.data import prompts
from engine.data.example import Example
from engine.data.examples import Dataset, open_dataset
from engine.data.prompts import Renderer, check_lengths, drop_long
from engine.errors import DatasetError, ModelError
from tests.toy import CHARACTERS, EOS, toy_tokenizer

# <eos> before every message, = after it, + where the assistant begins.
TEMPLATE = "{% for m in messages %}<eos>{{ m.content }}={% endfor %}{% if add_generation_prompt %}+{% endif %}"


def tokens(text: str) -> list[int]:
    return [CHARACTERS.index(character) for character in text]


def chat_tokenizer(template: str = TEMPLATE) -> PreTrainedTokenizerFast:
    tokenizer = toy_tokenizer()
    tokenizer.chat_template = template
    return tokenizer


def with_special_tokens(single: str) -> PreTrainedTokenizerFast:
    tokenizer = toy_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=single, special_tokens=[("<eos>", EOS)])
    return tokenizer


def renderer(tokenizer: Any, **settings: Any) -> Renderer:
    return Renderer(tokenizer, ModelConfig(source="embedded", **settings))


def example(prompt: str, answer: str = "2") -> Example:
    return Example("id", prompt, prompt, answer, {"answer": answer})


def test_without_a_chat_template_the_prompt_is_the_text() -> None:
    rendered = renderer(toy_tokenizer()).render(example("1+1="))
    assert (rendered.text, rendered.ids, rendered.messages) == ("1+1=", tokens("1+1="), None)


def test_a_chat_template_is_used_when_there_is_one() -> None:
    rendered = renderer(chat_tokenizer()).render(example("1+1"))
    assert rendered.text == "<eos>1+1=+" and rendered.ids == [EOS, *tokens("1+1=+")]
    assert rendered.messages == [{"role": "user", "content": "1+1"}]


def test_the_system_prompt_comes_first() -> None:
    rendered = renderer(chat_tokenizer(), system_prompt="0 0").render(example("1"))
    assert rendered.text == "<eos>0 0=<eos>1=+"
    assert rendered.messages is not None and [m["role"] for m in rendered.messages] == ["system", "user"]


def test_a_chat_template_can_be_left_out() -> None:
    assert renderer(chat_tokenizer(), chat_template=False).render(example("1+1")).text == "1+1"


def test_asking_for_a_chat_template_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelError, match="this model's tokenizer has none") as caught:
        renderer(toy_tokenizer(), chat_template=True)
    assert caught.value.field == "model.chat_template"


def test_a_system_prompt_without_a_chat_template_is_refused_not_dropped() -> None:
    with pytest.raises(ModelError, match="no chat template to put it in") as caught:
        renderer(toy_tokenizer(), system_prompt="Be brief.")
    assert caught.value.field == "model.system_prompt"


def test_a_template_that_refuses_is_told_in_a_sentence() -> None:
    template = "{{ raise_exception('no system role') if messages[0].role == 'system' else '1' }}"
    with pytest.raises(ModelError, match="The model's chat template failed: no system role"):
        renderer(chat_tokenizer(template), system_prompt="0").render(example("1"))


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 3 ** (10 ** 8) }}",
    ],
    ids=["a loop", "a power"],
)
def test_a_template_without_an_end_is_interrupted(monkeypatch: pytest.MonkeyPatch, template: str) -> None:
    monkeypatch.setattr(prompts, "TEMPLATE_LIMIT_S", 0.05)
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(ModelError, match="The model's chat template failed: it takes longer than "):
        renderer(chat_tokenizer(template)).render(example("1"))
    assert signal.getsignal(signal.SIGALRM) == before and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_start_token_of_the_tokenizer_is_kept_and_an_end_token_removed() -> None:
    assert renderer(with_special_tokens("<eos> $A")).render(example("1+1")).ids == [EOS, *tokens("1+1")]
    assert renderer(with_special_tokens("$A <eos>")).render(example("1+1")).ids == tokens("1+1")


def test_an_end_token_that_the_prompt_itself_ends_with_stays() -> None:
    assert renderer(toy_tokenizer()).render(example("1<eos>")).ids == [*tokens("1"), EOS]


@pytest.mark.parametrize(
    ("template", "reason"),
    [("{{ 'a' * 10**11 }}", "it takes too much memory"), ("{{ '1' * 5000001 }}", "it makes 5,000,001 characters")],
)
def test_a_template_that_fills_the_memory_is_refused(template: str, reason: str) -> None:
    with pytest.raises(ModelError, match=f"The model's chat template failed: {reason}"):
        renderer(chat_tokenizer(template)).render(example("1"))


def test_a_chat_template_is_not_given_special_tokens_again() -> None:
    tokenizer = with_special_tokens("<eos> $A <eos>")
    tokenizer.chat_template = TEMPLATE
    assert renderer(tokenizer).render(example("1")).ids == [EOS, *tokens("1=+")]


def test_a_prompt_without_any_token_is_refused() -> None:
    with pytest.raises(DatasetError, match="no token in the prompt ''"):
        renderer(toy_tokenizer()).render(example(""))


def test_many_prompts_render_like_one() -> None:
    one_by_one = renderer(chat_tokenizer())
    examples = [example("1+1"), example("22+33+44")]
    assert one_by_one.render_all(examples) == [one_by_one.render(e) for e in examples]


def file_of(folder: Path, prompts: list[str]) -> Dataset:
    path = folder / "d.jsonl"
    path.write_text("".join(json.dumps({"prompt": prompt, "answer": "2"}) + "\n" for prompt in prompts))
    return open_dataset(DataConfig(source=str(path), held_out=1), 0)


def test_a_prompt_that_leaves_no_room_is_named_with_row_and_tokens(tmp_path: Path) -> None:
    data = file_of(tmp_path, ["1", "2" * 56, "3" * 57, "4"])
    check_lengths(renderer(toy_tokenizer()), data, context_length=65, max_completion_length=8)
    with pytest.raises(DatasetError) as caught:
        check_lengths(renderer(toy_tokenizer()), data, context_length=64, max_completion_length=8)
    assert caught.value.message == (
        "d.jsonl, line 3: the prompt has 57 tokens; with 8 for the completion "
        "that is more than the model's context of 64."
    )


def test_a_model_without_a_limit_takes_any_prompt(tmp_path: Path) -> None:
    data = file_of(tmp_path, ["1", "2" * 5000])
    check_lengths(renderer(toy_tokenizer()), data, context_length=None, max_completion_length=8)
    with pytest.raises(DatasetError):
        check_lengths(renderer(toy_tokenizer()), data, context_length=4096, max_completion_length=8)


def test_all_rows_are_looked_at_in_batches(tmp_path: Path) -> None:
    data = file_of(tmp_path, [str(i) for i in range(2500)] + ["1" * 60])
    with pytest.raises(DatasetError, match=r"d\.jsonl, line 2501: the prompt has 60 tokens"):
        check_lengths(renderer(toy_tokenizer()), data, context_length=64, max_completion_length=5)


@pytest.mark.parametrize(("prompt", "room", "fits"), [("1" * 12, 20, True), ("1" * 13, 20, False), ("é", 20, False)])
def test_a_short_prompt_of_plain_characters_surely_fits(prompt: str, room: int, fits: bool) -> None:
    assert renderer(toy_tokenizer()).surely_fits(example(prompt), room) is fits


def test_prompts_that_surely_fit_are_not_tokenized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    counted = renderer(toy_tokenizer())
    tokenized = counted._tokens
    monkeypatch.setattr(counted, "_tokens", lambda texts: (seen.extend(texts), tokenized(texts))[1])
    check_lengths(counted, file_of(tmp_path, ["1", "2" * 50, "3"]), context_length=64, max_completion_length=8)
    assert seen == ["2" * 50]


def test_what_the_tokenizer_does_not_know_is_counted() -> None:
    tokenizer = toy_tokenizer()
    tokenizer.add_special_tokens({"unk_token": "<unk>"})
    tokenizer.backend_tokenizer.model.unk_token = "<unk>"
    assert renderer(tokenizer).unknown_share([example("1+1<unk>")]) == 1 / 4
    assert renderer(tokenizer).unknown_share([example("<unk>")]) == 1
    assert renderer(toy_tokenizer()).unknown_share([example("1+1")]) == 0


def test_reference_answers_are_measured_in_tokens() -> None:
    examples = [example("1", "22"), Example("id", "1", "1", None, {})]
    assert renderer(with_special_tokens("<eos> $A <eos>")).answer_lengths(examples) == [2]
    assert renderer(toy_tokenizer()).answer_lengths(examples[1:]) == []


TURNS = (
    {"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}, {"role": "user", "content": "3"},
)  # fmt: skip


def conversation(*turns: dict[str, str]) -> Example:
    return Example("id", "1 2 3", turns[-1]["content"], "2", {}, turns)


def test_a_conversation_goes_through_the_chat_template_turn_by_turn() -> None:
    rendered = renderer(chat_tokenizer()).render(conversation(*TURNS))
    assert rendered.text == "<eos>1=<eos>2=<eos>3=+" and rendered.messages == list(TURNS)


def test_a_conversation_without_a_chat_template_is_its_plain_text() -> None:
    assert renderer(toy_tokenizer()).render(conversation(*TURNS)).text == "1 2 3"


def test_a_conversations_own_system_message_goes_before_the_runs() -> None:
    system = {"role": "system", "content": "9"}
    with_prompt = renderer(chat_tokenizer(), system_prompt="0")
    assert with_prompt.render(conversation(*TURNS)).text == "<eos>0=<eos>1=<eos>2=<eos>3=+"
    assert with_prompt.render(conversation(system, *TURNS)).text == "<eos>9=<eos>1=<eos>2=<eos>3=+"


def rows_of(folder: Path, *prompts: str) -> Dataset:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": prompt, "answer": "1"}) + "\n" for prompt in prompts))
    return open_dataset(DataConfig(source=str(path), held_out=1), 0)


def test_prompts_with_too_many_tokens_are_left_out_and_counted(tmp_path: Path) -> None:
    data = rows_of(tmp_path, "1+1=", "11+11=", "1" * 20, "2+2=")
    kept = drop_long(data, renderer(toy_tokenizer()), 6)
    assert {example.prompt for _, example in kept.examples()} == {"1+1=", "11+11=", "2+2="}
    assert kept.dropped == {"too long": 1} and kept.train_size == 2
    assert drop_long(data, renderer(toy_tokenizer()), None) is drop_long(data, renderer(toy_tokenizer()), 20) is data
    with pytest.raises(DatasetError, match=r"0 different prompts left \(4 rows were dropped: 4 by too long\)"):
        drop_long(data, renderer(toy_tokenizer()), 1)
    sums = open_dataset(DataConfig(source="arithmetic", params={"digits": 2}, held_out=4), 0)
    short = drop_long(sums, renderer(toy_tokenizer()), 5)
    assert max(len(short.train(position).prompt) for position in range(50)) == 5 and short.train_size is None
