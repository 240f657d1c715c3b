"""Stop strings: a completion ends at the token that completes one, whatever the tokens are, and at no other."""

from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from engine.models.load import load_tokenizer
from engine.rollout.sampler import Completions, SamplingParams, sample_completions
from engine.rollout.stop_strings import StopStrings
from tests.toy import CHARACTERS, EOS, PAD, toy_tokenizer


def first_end(tokenizer: Any, strings: list[str], ids: list[int]) -> int | None:
    """How many tokens the completion has when it first ends."""
    stop = StopStrings(tokenizer, strings)
    return next((end for end in range(1, len(ids) + 1) if stop.ended(ids[:end])), None)


def toy_ids(text: str) -> list[int]:
    return [CHARACTERS.index(character) for character in text]


def bytes_tokenizer(pieces: list[str]) -> PreTrainedTokenizerFast:
    """Every byte is a token, as in the tail of a byte-fallback vocabulary, and so is each of `pieces`."""
    vocabulary = {token: i for i, token in enumerate([*(f"<0x{i:02X}>" for i in range(256)), *pieces, "<s>"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")


@pytest.mark.parametrize(
    ("text", "strings", "end"),
    [
        ("1+2=3", ["="], 4),
        ("1+2=3", ["3", "+2"], 3),  # whichever is complete first
        ("11112", ["112"], 5),  # its beginning repeats
        ("12345", ["13"], None),
        ("1", ["12"], None),
        ("12", [], None),
    ],
)
def test_a_completion_ends_at_the_character_that_completes_a_string(
    text: str, strings: list[str], end: int | None
) -> None:
    assert first_end(toy_tokenizer(), strings, toy_ids(text)) == end


def test_special_tokens_are_no_text_and_neither_end_a_completion_nor_part_a_string() -> None:
    one, two = toy_ids("12")
    assert first_end(toy_tokenizer(), ["12"], [one, *[PAD] * 30, two]) == 32
    assert not StopStrings(toy_tokenizer(), ["1"]).ended([one, PAD])


def test_a_special_token_ends_a_completion_where_a_stop_string_is_its_name() -> None:
    tokenizer = bytes_tokenizer([])
    start = tokenizer.bos_token_id
    assert first_end(tokenizer, ["<s>"], [65, start, 66]) == 2
    assert first_end(tokenizer, ["s"], [65, start, 66]) is None  # a part of a name is no text


def test_a_string_inside_a_token_ends_the_completion_with_the_whole_token() -> None:
    tokenizer = bytes_tokenizer(["no\n\nQ:", "▁A"])
    assert first_end(tokenizer, ["\n"], [257, 256, 257]) == 2


def test_a_space_before_the_first_token_looked_at_is_seen() -> None:
    tokenizer = bytes_tokenizer(["▁", "B"])
    assert first_end(tokenizer, [" "], [257] * 20 + [256]) == 21


def test_a_character_of_several_tokens_counts_once_it_is_whole() -> None:
    ids = list("xé→😀".encode())
    for string, end in (("é", 3), ("→", 6), ("é→😀", 10)):
        assert first_end(bytes_tokenizer([]), [string], ids) == end


@pytest.mark.parametrize("strings", [["3"], ["47", "\n"], ["a", "e", "="]])
def test_looking_at_the_tail_finds_what_looking_at_everything_finds(strings: list[str]) -> None:
    tokenizer = load_tokenizer("embedded")
    generator = torch.Generator().manual_seed(0)
    for row in torch.randint(0, len(tokenizer), (50, 60), generator=generator).tolist():
        texts = [tokenizer.decode(row[:end], skip_special_tokens=True) for end in range(1, 61)]
        whole = next((end for end, text in enumerate(texts, 1) if any(s in text for s in strings)), None)
        assert first_end(tokenizer, strings, row) == whole


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    """Its weights are large, so that every token and position before it changes what comes next."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(CHARACTERS), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def sampled(model: LlamaForCausalLM, strings: list[str], limit: int = 12) -> Completions:
    return sample_completions(
        model, [toy_ids("1+"), toy_ids("345=")], 16, SamplingParams(1.0, limit), eos_ids=frozenset({EOS}), pad_id=PAD,
        seed=3, stop=StopStrings(toy_tokenizer(), strings) if strings else None,
    )  # fmt: skip


def test_a_stopped_completion_is_the_beginning_of_the_one_without_stop_strings(model: LlamaForCausalLM) -> None:
    whole, cut = sampled(model, []), sampled(model, ["7", "=+"])
    assert {"eos", "stop", "length"} == set(cut.reasons)
    for full, ids, reason in zip(whole.ids, cut.ids, cut.reasons, strict=True):
        text = toy_tokenizer().decode(ids, skip_special_tokens=True)
        assert full[: len(ids)] == ids
        assert (reason == "stop") == text.endswith(("7", "=+"))
        assert "7" not in text[:-1] and "=+" not in text[:-1]
        assert len(full) == len(ids) or reason == "stop"


def test_a_string_that_the_last_allowed_token_completes_is_no_cut(model: LlamaForCausalLM) -> None:
    everything = sampled(model, [character for character in CHARACTERS[2:]], limit=1)
    assert set(everything.reasons) == {"eos", "stop", "length"}  # length: a lone <pad>, which is no text
    for ids, reason in zip(everything.ids, everything.reasons, strict=True):
        assert reason == {EOS: "eos", PAD: "length"}.get(ids[0], "stop")
    assert everything.ended == [reason != "length" for reason in everything.reasons]
