"""The memory estimate: each part by numbers that can be worked out by hand, on a model of round sizes."""

import pytest

from engine.grpo import logprobs
from engine.memory import (
    COMPLETIONS_AT_ONCE,
    HEAP_GAPS,
    LOGIT_COPIES,
    MAX_LOGITS,
    PROCESS_BYTES,
    MemoryEstimate,
    assumed_prompt_tokens,
    estimate_memory,
    lora_parameters,
)
from engine.models.folder import ModelFacts
from engine.models.shape import ModelShape
from engine.train import evaluate
from tests.toy import toy_config

# 2 layers, 10 wide, 2 heads of 5, of keys and values 1; feed-forward 20; 100 tokens. Say 3000 weights.
SHAPE = ModelShape(layers=2, hidden=10, heads=2, kv_heads=1, head_dim=5, intermediate=20, vocabulary=100)
FACTS = ModelFacts(parameters=3000, context_length=64, shape=SHAPE)
# 2 prompts × 4 completions of at most 4 tokens; prompts of 6 tokens.
LORA = {"adapter": "lora", "lora_rank": 2}


def estimate(prompt_tokens: int = 6, facts: ModelFacts = FACTS, **sections: dict[str, object]) -> MemoryEstimate:
    sections["evaluation"] = {"num_prompts": 1, "every": 3, **sections.get("evaluation", {})}
    found = estimate_memory(toy_config(**sections), facts, prompt_tokens)
    assert found is not None
    return found


def parts(found: MemoryEstimate) -> dict[str, int]:
    return {part.name: part.size_bytes for part in found.parts}


def test_training_all_weights_takes_them_five_times():
    found = parts(estimate())
    assert [found[name] for name in ("Weights", "Reference", "Gradients", "Optimizer")] == [
        12_000, 12_000, 12_000, 24_000,
    ]  # fmt: skip


def test_bfloat16_halves_the_weights_and_all_that_follows_them():
    found = parts(estimate(model={"dtype": "bfloat16"}))
    assert [found[name] for name in ("Weights", "Reference", "Gradients", "Optimizer")] == [6000, 6000, 6000, 12_000]


def test_an_adapter_on_every_linear_layer_is_counted():
    # q and o 10 → 10, k and v 10 → 5, gate and up 10 → 20, down 20 → 10: 40 + 30 + 90 inputs and outputs a layer.
    assert lora_parameters(SHAPE, rank=2) == 2 * 2 * (40 + 30 + 90)
    found = parts(estimate(model=LORA))
    assert found["Weights"] == 12_000 + 640 * 4
    assert (found["Gradients"], found["Optimizer"]) == (640 * 4, 2 * 640 * 4)


def test_the_adapter_stays_in_float32():
    assert parts(estimate(model={**LORA, "dtype": "bfloat16"}))["Gradients"] == 640 * 4


def test_lora_needs_no_copy_for_its_reference_unless_it_is_refreshed():
    assert "Reference" not in parts(estimate(model=LORA))
    refreshed = {"sync_ref_model": True, "ref_model_mixup_alpha": 1.0}
    assert parts(estimate(model=LORA, loss=refreshed))["Reference"] == 640 * 4


def test_the_cache_holds_keys_and_values_of_every_row():
    # 8 rows × (6 + 4) tokens × 2 layers × 2 × 5 numbers × 4 bytes
    assert parts(estimate())["KV cache"] == 8 * 10 * 2 * 2 * 5 * 4


def test_no_more_rows_are_sampled_at_once_than_allowed():
    assert parts(estimate(rollout={"max_batch_tokens": 30}))["KV cache"] == 3 * 10 * 2 * 2 * 5 * 4
    assert parts(estimate(rollout={"max_batch_tokens": 16}, prompt_tokens=60))["KV cache"] == 1 * 64 * 2 * 2 * 5 * 4


def test_an_evaluation_may_sample_more_rows_than_a_step():
    more = estimate(evaluation={"num_prompts": 8, "num_generations": 2}, data={"held_out": 100})
    assert parts(more)["KV cache"] == 16 * 10 * 2 * 2 * 5 * 4
    at_once = estimate(evaluation={"num_prompts": 100, "num_generations": 16}, data={"held_out": 100})
    assert parts(at_once)["KV cache"] == 64 * 10 * 2 * 2 * 5 * 4  # 4 prompts × 16
    fewer = estimate(evaluation={"num_prompts": 100}, data={"held_out": 10})
    assert parts(fewer)["KV cache"] == 10 * 10 * 2 * 2 * 5 * 4


def test_activations_of_a_token_and_of_a_rows_keys_and_values():
    # A token keeps 6 × 10 + 3 × 10 + 4 × 20 = 170 numbers a layer; 2 prompts × 6 + 8 rows × 4 = 44 tokens.
    # A row keeps 10 tokens × 2 × 10 numbers. 2 layers, 4 bytes.
    assert parts(estimate())["Activations"] == 2 * (44 * 170 + 8 * 10 * 20) * 4


def test_with_lora_normalised_values_are_not_kept_and_inner_vectors_are():
    assert parts(estimate(model=LORA))["Activations"] == 2 * (44 * (150 + 7 * 2) + 8 * 10 * 20) * 4


def test_a_smaller_micro_batch_keeps_less():
    # 22 tokens are a prompt of 6 and its 4 rows of 4.
    found = parts(estimate(optim={"micro_batch_tokens": 22}))
    assert found["Activations"] == 2 * (22 * 170 + 4 * 10 * 20) * 4
    assert found["Logits, update"] == 4 * 4 * 100 * 4 * LOGIT_COPIES


def test_a_part_of_a_group_brings_its_whole_prompt():
    # 33 tokens: the first group, then a prompt of 6 and one row of 4; 5 rows, 2 prompts.
    found = parts(estimate(optim={"micro_batch_tokens": 33}))
    assert found["Activations"] == 2 * ((2 * 6 + 5 * 4) * 170 + 5 * 10 * 20) * 4


def test_mini_batches_are_never_passed_together():
    assert estimate(loss={"num_minibatches": 2}) == estimate(optim={"micro_batch_tokens": 22})


def test_logits_come_in_chunks():
    large = ModelFacts(parameters=3000, shape=ModelShape(2, 10, 2, 1, 5, 20, vocabulary=MAX_LOGITS // 3))
    assert parts(estimate(facts=large))["Logits, update"] == 3 * (MAX_LOGITS // 3) * 4 * LOGIT_COPIES


def test_the_peak_is_what_is_always_there_and_the_larger_phase():
    found = estimate()
    sizes = parts(found)
    always = PROCESS_BYTES + 12_000 + 12_000 + 12_000 + 24_000
    sampling = sizes["KV cache"] + sizes["Logits, sampling"] + sizes["Heap gaps, sampling"]
    updating = sizes["Activations"] + sizes["Logits, update"] + sizes["Heap gaps, update"]
    assert updating > sampling and found.peak_bytes == always + updating
    small = estimate(optim={"micro_batch_tokens": 16}, rollout={"num_generations": 32})
    sizes = parts(small)
    sampling = sizes["KV cache"] + sizes["Logits, sampling"] + sizes["Heap gaps, sampling"]
    assert small.peak_bytes == always + sampling


def test_the_heap_has_gaps_beside_the_tensors_of_a_phase():
    found = parts(estimate())
    assert found["Heap gaps, update"] == int(HEAP_GAPS * (found["Activations"] + found["Logits, update"]))
    assert found["Heap gaps, sampling"] == int(HEAP_GAPS * (found["KV cache"] + found["Logits, sampling"]))


def test_a_critic_is_a_second_model_or_a_second_adapter():
    full, lora = estimate(), estimate(model=LORA)
    assert full.critic_bytes == 4 * 12_000 + int(parts(full)["Activations"] * (1 + HEAP_GAPS))
    assert lora.critic_bytes == 4 * 640 * 4 + int(parts(lora)["Activations"] * (1 + HEAP_GAPS))
    assert "shared" in lora.critic_how


@pytest.mark.parametrize("facts", [ModelFacts(), ModelFacts(parameters=3000), ModelFacts(shape=SHAPE)])
def test_an_unknown_model_has_no_estimate(facts):
    assert estimate_memory(toy_config(), facts, 6) is None


def test_prompts_are_guessed_until_they_are_known():
    assert assumed_prompt_tokens(toy_config(), FACTS) == 6  # 47+38=
    template = {"prompt_template": "Add: {prompt}", "params": {"digits": 1}}
    assert assumed_prompt_tokens(toy_config(data=template), FACTS) == 5 + 4
    file = {"source": "a.jsonl", "prompt_template": "x" * 40 + "{prompt}"}
    assert assumed_prompt_tokens(toy_config(data=file), ModelFacts()) == 64 + 10
    assert assumed_prompt_tokens(toy_config(data=file), FACTS) == 64


def test_limits_are_those_of_the_engine():
    assert (MAX_LOGITS, COMPLETIONS_AT_ONCE) == (logprobs.MAX_LOGITS, evaluate.COMPLETIONS_AT_ONCE)
