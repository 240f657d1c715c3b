"""Sampling: the right distribution, the same tokens whatever else is in the batch, and an honest end."""

import math

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from engine.rollout.sampler import SamplingParams, decoding_error, draw, sample_completions, sampled_at_once

PLAIN = SamplingParams(temperature=1.0, max_completion_length=6)
EOS, PAD = 1, 0


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    """Its weights are large, so that every token and position before it changes what comes next."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=12, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def sample(model: LlamaForCausalLM, prompts: list[list[int]], group_size: int, seed: int = 7):  # type: ignore[no-untyped-def]
    return sample_completions(model, prompts, group_size, PLAIN, eos_ids=frozenset({EOS}), pad_id=PAD, seed=seed)


def test_a_uniform_number_picks_the_token_whose_slice_of_the_distribution_holds_it() -> None:
    logits = torch.tensor([[0.5, 0.25, 0.25]]).log().repeat(4, 1)
    tokens = draw(logits, torch.tensor([0.0, 0.499, 0.501, 0.999]), PLAIN)
    assert tokens.tolist() == [0, 0, 1, 2]


def test_without_filters_a_rare_token_is_drawn_too() -> None:
    logits = torch.tensor([[0.98, 0.02]]).log()
    assert draw(logits, torch.tensor([0.99]), PLAIN).tolist() == [1]


def test_a_token_of_probability_zero_is_never_drawn() -> None:
    logits = torch.tensor([[-math.inf, 0.0, -math.inf]]).repeat(2, 1)
    assert draw(logits, torch.tensor([0.0, 0.9999999]), PLAIN).tolist() == [1, 1]


def test_the_temperature_divides_the_logits() -> None:
    logits = torch.tensor([[0.8, 0.2]]).log().repeat(2, 1)  # at temperature 2 the odds of 4 : 1 become 2 : 1
    hot = SamplingParams(temperature=2.0, max_completion_length=1)
    assert draw(logits, torch.tensor([0.66, 0.67]), hot).tolist() == [0, 1]


def test_drawn_shares_match_the_distribution() -> None:
    probabilities = torch.tensor([0.1, 0.6, 0.3])
    uniforms = (torch.arange(10_000) + 0.5) / 10_000  # one in each ten-thousandth: no luck involved
    tokens = draw(probabilities.log().repeat(10_000, 1), uniforms, PLAIN)
    assert (torch.bincount(tokens) / 10_000).tolist() == pytest.approx([0.1, 0.6, 0.3], abs=1e-3)


@pytest.mark.parametrize(
    ("params", "allowed"),
    [
        (SamplingParams(1.0, 1, top_k=2), {0, 1}),
        (SamplingParams(1.0, 1, top_p=0.6), {0, 1}),  # 0.5 alone is below 0.6, so the next one is needed too
        (SamplingParams(1.0, 1, top_p=0.4), {0}),
        (SamplingParams(1.0, 1, min_p=0.5), {0, 1}),  # 0.3 ≥ 0.5 · 0.5; 0.15 is not
    ],
)
def test_filters_leave_exactly_the_tokens_they_should(params: SamplingParams, allowed: set[int]) -> None:
    uniforms = (torch.arange(1000) + 0.5) / 1000
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().repeat(1000, 1)
    assert set(draw(logits, uniforms, params).tolist()) == allowed


def test_a_completion_is_the_same_alone_and_among_prompts_of_other_lengths(model: LlamaForCausalLM) -> None:
    prompts = [[5, 6, 7], [8], [9, 10, 11, 4, 3]]
    together = sample(model, prompts, 2)
    torch.manual_seed(0)
    uniforms = torch.rand(6, 6, generator=torch.Generator().manual_seed(7))
    for row, completion in enumerate(together.ids):
        ids = list(prompts[row // 2])
        for position, token in enumerate(completion):  # one token at a time, without cache or padding
            logits = model(input_ids=torch.tensor([ids])).logits[:, -1]
            assert int(draw(logits, uniforms[row : row + 1, position], PLAIN)) == token
            ids.append(token)


def test_a_completion_ends_at_its_first_end_token_or_at_the_limit(model: LlamaForCausalLM) -> None:
    found = sample(model, [[5, 6], [7]], 32)
    assert {len(ids) for ids, ended in zip(found.ids, found.ended, strict=True) if not ended} == {6}
    ended = [ids for ids, end in zip(found.ids, found.ended, strict=True) if end]
    assert ended and all(ids[-1] == EOS and EOS not in ids[:-1] for ids in ended)
    assert any(len(ids) < 6 for ids in ended)


@pytest.mark.parametrize(("eos_ids", "calls"), [(frozenset(), 6), (frozenset(range(12)), 1)])
def test_the_model_is_called_once_for_the_prompts_and_once_between_two_tokens(
    model: LlamaForCausalLM, eos_ids: frozenset[int], calls: int
) -> None:
    seen: list[None] = []
    hook = model.register_forward_hook(lambda *_: seen.append(None))
    try:
        found = sample_completions(model, [[5], [6, 7]], 3, PLAIN, eos_ids=eos_ids, pad_id=PAD, seed=7)
    finally:
        hook.remove()
    assert len(seen) == calls == len(found.ids[0])


def test_the_same_seed_gives_the_same_completions_and_another_seed_others(model: LlamaForCausalLM) -> None:
    first, again, other = sample(model, [[5]], 8), sample(model, [[5]], 8), sample(model, [[5]], 8, seed=8)
    assert first.ids == again.ids
    assert first.ids != other.ids


def test_an_exception_from_the_progress_callback_ends_sampling_at_once(model: LlamaForCausalLM) -> None:
    seen: list[str] = []

    def stop_at_three(detail: str) -> None:
        seen.append(detail)
        if len(seen) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        sample_completions(
            model, [[5]], 32, PLAIN, eos_ids=frozenset({EOS}), pad_id=PAD, seed=1, progress=stop_at_three
        )
    assert seen == ["token 1 of at most 6", "token 2 of at most 6", "token 3 of at most 6"]


def test_rows_of_many_prompts_fit_the_token_limit_in_whole_groups_as_far_as_they_can() -> None:
    prompts = [[5] * 4, [5] * 2, [5] * 6, [5] * 20, [5] * 2]
    parts = list(sampled_at_once(prompts, 3, 6, 60))
    # 2 groups × 3 × (4 + 6) = 60 fit, with the third it would be 3 × 3 × 12 = 108; 3 × 26 is too much for one group
    assert [(len(part.prompts), part.group_size, part.first_row) for part in parts] == [
        (2, 3, 0), (1, 3, 6), (1, 2, 9), (1, 1, 11), (1, 3, 12),
    ]  # fmt: skip
    assert [prompt for part in parts if part.group_size == 3 for prompt in part.prompts] == [
        prompts[i] for i in (0, 1, 2, 4)
    ]


def test_a_limit_below_one_row_samples_row_by_row_and_no_limit_all_at_once() -> None:
    assert [part.first_row for part in sampled_at_once([[5] * 9], 4, 6, 1)] == [0, 1, 2, 3]
    assert [len(part.prompts) for part in sampled_at_once([[5] * 9] * 50, 4, 6, None)] == [50]


@pytest.mark.parametrize("limit", [1, 30, 45, 100, 10**6])
def test_the_tokens_are_the_same_however_many_are_sampled_at_once(model: LlamaForCausalLM, limit: int) -> None:
    prompts = [[5, 6, 7], [8], [9, 10, 11, 4, 3], [7, 7]]
    sizes = list(sampled_at_once(prompts, 3, 6, limit))
    found = sample_completions(
        model, prompts, 3, PLAIN, eos_ids=frozenset({EOS}), pad_id=PAD, seed=7, max_batch_tokens=limit
    )
    assert len(sizes) == {1: 12, 30: 5, 45: 4, 100: 2, 10**6: 1}[limit]
    assert found == sample(model, prompts, 3)


def test_progress_names_the_part_when_there_are_several(model: LlamaForCausalLM) -> None:
    seen: list[str] = []
    sample_completions(
        model, [[5], [6]], 2, PLAIN, eos_ids=frozenset({EOS}), pad_id=PAD, seed=1, max_batch_tokens=14,
        progress=seen.append,
    )  # fmt: skip
    assert seen[0] == "token 1 of at most 6, part 1 of 2"
    assert "token 1 of at most 6, part 2 of 2" in seen


def test_cached_decoding_agrees_with_the_whole_model(model: LlamaForCausalLM) -> None:
    assert decoding_error(model, [5, 6, 7], PAD) < 1e-5


def test_a_model_that_ignores_its_cache_is_found_out(model: LlamaForCausalLM) -> None:
    forget = model.model.register_forward_pre_hook(
        lambda _, args, kwargs: (args, {**kwargs, "past_key_values": None, "attention_mask": None}), with_kwargs=True
    )
    try:
        assert decoding_error(model, [5, 6, 7], PAD) > 0.01
    finally:
        forget.remove()
