"""The policy: what is trained, what the reference is, and its state."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.config import ModelConfig
from engine.errors import CheckpointError
from engine.models.load import load_policy
from engine.models.policy import Policy
from tests.model_folders import PARAMETERS

IDS = torch.tensor([[2, 3, 4, 5]])


def make(folder: Path, adapter: str, seed: int = 0, **settings: object) -> Policy:
    config = ModelConfig.model_validate({"source": str(folder), "adapter": adapter, "lora_rank": 4, **settings})
    return load_policy(config, "cpu", seed=seed)


def logits(module: torch.nn.Module) -> Tensor:
    with torch.no_grad():
        found: Tensor = module(input_ids=IDS).logits
    return found


def change(policy: Policy) -> None:
    """Move every trainable weight."""
    with torch.no_grad():
        for _, value in policy.trainable():
            value.add_(0.1)


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_the_reference_stays_where_the_policy_started(model_folder: Path, adapter: str) -> None:
    policy = make(model_folder, adapter)
    before = logits(policy.model)
    change(policy)
    with policy.reference() as reference:
        torch.testing.assert_close(logits(reference), before, rtol=0, atol=0)
    assert not torch.allclose(logits(policy.model), before)


def test_lora_trains_two_matrices_for_each_linear_layer_but_the_head(model_folder: Path) -> None:
    names = [name for name, _ in make(model_folder, "lora").trainable()]
    assert len(names) == 2 * 7  # q, k, v, o, gate, up and down of the one layer
    assert all("lora_A" in name or "lora_B" in name for name in names)
    assert names == sorted(names)


def test_full_training_trains_everything_and_its_reference_nothing(model_folder: Path) -> None:
    policy = make(model_folder, "full")
    assert sum(value.numel() for _, value in policy.trainable()) == PARAMETERS
    with policy.reference() as reference:
        assert not any(value.requires_grad for value in reference.parameters())


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_the_head_on_the_backbone_gives_the_logits(model_folder: Path, adapter: str) -> None:
    policy = make(model_folder, adapter)
    change(policy)
    parts = policy.backbone_and_head(policy.model)
    assert parts is not None
    backbone, head = parts
    with torch.no_grad():
        composed = head(backbone(input_ids=IDS).last_hidden_state)
    torch.testing.assert_close(composed, logits(policy.model), rtol=0, atol=0)


def test_the_backbone_of_the_lora_reference_has_no_adapter(model_folder: Path) -> None:
    policy = make(model_folder, "lora")
    before = logits(policy.model)
    change(policy)
    with policy.reference() as reference, torch.no_grad():
        parts = policy.backbone_and_head(reference)
        assert parts is not None
        composed = parts[1](parts[0](input_ids=IDS).last_hidden_state)
    torch.testing.assert_close(composed, before, rtol=0, atol=0)


class Parts(torch.nn.Module):
    """A model that names these as its decoder and its head."""

    def __init__(self, decoder: object, head: object) -> None:
        super().__init__()
        self.get_decoder = lambda: self if decoder == "itself" else decoder
        self.get_output_embeddings = lambda: head


@pytest.mark.parametrize(
    ("decoder", "head"),
    [(None, torch.nn.Linear(2, 2)), ("itself", torch.nn.Linear(2, 2)), (torch.nn.Identity(), torch.nn.Identity())],
)
def test_a_model_without_a_decoder_or_a_linear_head_has_no_such_parts(
    model_folder: Path, decoder: object, head: object
) -> None:
    policy = make(model_folder, "full")
    assert policy.backbone_and_head(Parts(decoder, head)) is None
    assert policy.backbone_and_head(Parts(torch.nn.Identity(), torch.nn.Linear(2, 2))) is not None


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_state_taken_from_one_policy_makes_another_equal(model_folder: Path, adapter: str) -> None:
    trained, fresh = make(model_folder, adapter), make(model_folder, adapter, seed=9)
    change(trained)
    fresh.load_state(copy.deepcopy(trained.adapter_state()))
    torch.testing.assert_close(logits(fresh.model), logits(trained.model), rtol=0, atol=0)


def test_state_of_another_kind_or_rank_is_refused(model_folder: Path) -> None:
    lora = make(model_folder, "lora")
    before = logits(lora.model)
    with pytest.raises(CheckpointError, match="tensors are in one of them alone"):
        lora.load_state(make(model_folder, "full").adapter_state())
    with pytest.raises(CheckpointError, match=r"is \(2, 24\) there and \(4, 24\) here"):
        lora.load_state(make(model_folder, "lora", lora_rank=2).adapter_state())
    torch.testing.assert_close(logits(lora.model), before, rtol=0, atol=0)


def test_the_adapter_depends_on_the_seed_alone(model_folder: Path) -> None:
    torch.manual_seed(1)
    first = make(model_folder, "lora", seed=7).adapter_state()
    torch.manual_seed(2)
    expected = torch.rand(3)
    torch.manual_seed(2)
    again, other = (
        make(model_folder, "lora", seed=7).adapter_state(),
        make(model_folder, "lora", seed=8).adapter_state(),
    )
    torch.testing.assert_close(torch.rand(3), expected)  # loading leaves the caller's random state alone
    key = next(name for name in first if "lora_A" in name)
    assert torch.equal(first[key], again[key])
    assert not torch.equal(first[key], other[key])


def test_a_fresh_adapter_changes_nothing(model_folder: Path) -> None:
    torch.testing.assert_close(
        logits(make(model_folder, "lora").model), logits(make(model_folder, "full").model), rtol=0, atol=0
    )


def test_lora_matrices_are_float32_on_bfloat16_weights(model_folder: Path) -> None:
    policy = make(model_folder, "lora", dtype="bfloat16")
    assert {value.dtype for _, value in policy.trainable()} == {torch.float32}
    assert {value.dtype for name, value in policy.model.named_parameters() if "lora" not in name} == {torch.bfloat16}


def test_the_policy_is_in_evaluation_mode(model_folder: Path) -> None:
    for adapter in ("lora", "full"):
        policy = make(model_folder, adapter)
        with policy.reference() as reference:
            assert not any(module.training for module in (*policy.model.modules(), *reference.modules()))


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_a_refreshed_reference_is_the_policy_of_that_moment_and_stays_there(model_folder: Path, adapter: str) -> None:
    policy = make(model_folder, adapter)
    change(policy)
    then = logits(policy.model)
    policy.refresh_reference(1.0)
    change(policy)
    now = logits(policy.model)
    with policy.reference() as reference:
        torch.testing.assert_close(logits(reference), then, rtol=0, atol=0)
    torch.testing.assert_close(logits(policy.model), now, rtol=0, atol=0)  # and the policy is itself again
    assert not torch.allclose(now, then)
    policy.refresh_reference(1.0)  # a second time, from where it is now
    with policy.reference() as reference:
        torch.testing.assert_close(logits(reference), now, rtol=0, atol=0)


def test_part_of_a_refresh_moves_each_weight_of_the_reference_that_part_of_the_way(model_folder: Path) -> None:
    policy = make(model_folder, "full")
    before = {name: value.clone() for name, value in policy.reference_state().items()}
    change(policy)  # every weight by 0.1
    policy.refresh_reference(0.6)
    for name, value in policy.reference_state().items():
        torch.testing.assert_close(value, before[name] + 0.06, rtol=0, atol=1e-6)  # float32 weights up to about 1


def test_a_lora_reference_cannot_be_moved_part_of_the_way(model_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"alpha is 0.6; a LoRA reference can only be replaced"):
        make(model_folder, "lora").refresh_reference(0.6)


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_the_state_of_a_reference_makes_another_policys_reference_equal(model_folder: Path, adapter: str) -> None:
    policy, fresh = make(model_folder, adapter), make(model_folder, adapter)
    change(policy)
    policy.refresh_reference(1.0)
    fresh.load_reference_state(copy.deepcopy(policy.reference_state()))
    with policy.reference() as left, fresh.reference() as right:
        torch.testing.assert_close(logits(right), logits(left), rtol=0, atol=0)
    assert not torch.allclose(logits(fresh.model), logits(policy.model))


def test_a_lora_reference_that_was_never_refreshed_has_no_state(model_folder: Path) -> None:
    assert make(model_folder, "lora").reference_state() == {}


def test_a_reference_of_another_kind_is_refused(model_folder: Path) -> None:
    lora, full = make(model_folder, "lora"), make(model_folder, "full")
    lora.refresh_reference(1.0)
    with pytest.raises(CheckpointError, match="tensors are in one of them alone"):
        full.load_reference_state(lora.reference_state())
