"""Loading a tokenizer and a policy: what they bring, and one readable sentence when they do not load."""

from pathlib import Path

import pytest
import torch

from engine.config import ModelConfig
from engine.errors import ModelError
from engine.models.load import load_policy, load_tokenizer
from tests.model_folders import CONTEXT, edit_json, edit_weights
from tests.toy import EOS, PAD


def config(folder: Path, adapter: str = "full", dtype: str = "float32") -> ModelConfig:
    return ModelConfig.model_validate({"source": str(folder), "adapter": adapter, "dtype": dtype})


def refusal(folder: Path, adapter: str = "full") -> str:
    with pytest.raises(ModelError) as error:
        load_policy(config(folder, adapter), "cpu", seed=0)
    return str(error.value)


def test_a_folder_gives_a_policy_that_knows_its_limits(model_folder: Path) -> None:
    policy = load_policy(config(model_folder), "cpu", seed=0)
    assert policy.context_length == CONTEXT
    assert policy.eos_ids == {EOS}
    assert policy.pad_id == PAD
    assert policy.tokenizer.decode(policy.tokenizer.encode("1+2=")) == "1+2="


def test_every_end_token_ends_a_completion(model_folder: Path) -> None:
    edit_json(model_folder / "generation_config.json", eos_token_id=[EOS, 5])
    edit_json(model_folder / "config.json", eos_token_id=6)
    assert load_policy(config(model_folder), "cpu", seed=0).eos_ids == {EOS, 5, 6}


def test_a_tokenizer_without_end_token_leaves_those_of_the_model(model_folder: Path) -> None:
    edit_json(model_folder / "tokenizer_config.json", eos_token=None)
    assert load_policy(config(model_folder), "cpu", seed=0).eos_ids == {EOS}


def test_a_tokenizer_without_pad_token_pads_with_its_end_token(model_folder: Path) -> None:
    edit_json(model_folder / "tokenizer_config.json", pad_token=None)
    assert load_tokenizer(str(model_folder)).pad_token_id == EOS


def test_a_tokenizer_without_pad_and_end_tokens_pads_with_its_first(model_folder: Path) -> None:
    edit_json(model_folder / "tokenizer_config.json", pad_token=None, eos_token=None)
    tokenizer = load_tokenizer(str(model_folder))
    assert (tokenizer.pad_token_id, len(tokenizer)) == (0, 15)


def test_the_tokenizer_loads_without_the_weights_being_read(model_folder: Path) -> None:
    path = model_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8] + b"\xff" * 8)  # NaN, which load_policy refuses
    assert load_tokenizer(str(model_folder)).encode("12") == [3, 4]
    assert "NaN" in refusal(model_folder)


def test_weights_come_in_the_dtype_that_is_asked_for(model_folder: Path) -> None:
    policy = load_policy(config(model_folder, dtype="bfloat16"), "cpu", seed=0)
    assert {value.dtype for _, value in policy.trainable()} == {torch.bfloat16}


def test_attention_is_sdpa(model_folder: Path) -> None:
    assert load_policy(config(model_folder), "cpu", seed=0).model.config._attn_implementation == "sdpa"  # type: ignore


@pytest.mark.parametrize(("limit", "context"), [(33, 33), (131_072, 131_072), (None, 10_000_000)])
def test_a_model_without_a_stated_context_takes_the_tokenizers(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None, context: int
) -> None:
    monkeypatch.setattr("engine.models.pretrained.context_length", lambda _: None)
    edit_json(model_folder / "tokenizer_config.json", model_max_length=limit)
    assert load_policy(config(model_folder), "cpu", seed=0).context_length == context


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused_by_name(model_folder: Path, value: float) -> None:
    edit_weights(model_folder, model__norm__weight=torch.full((16,), value))
    assert "NaN or infinite values in model.norm.weight" in refusal(model_folder)


def test_pickled_weights_beside_safetensors_are_not_what_is_loaded(model_folder: Path) -> None:
    torch.save({"model.norm.weight": torch.full((16,), 7.0)}, model_folder / "pytorch_model.bin")
    weights = dict(load_policy(config(model_folder), "cpu", seed=0).trainable())
    torch.testing.assert_close(weights["model.norm.weight"].detach(), torch.ones(16), rtol=0, atol=0)


def test_layers_that_lora_does_not_know_are_told_in_a_sentence(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("No modules were targeted.\nA second line.")

    monkeypatch.setattr("peft.get_peft_model", refuse)
    assert refusal(model_folder, "lora") == (
        f"LoRA cannot be put on {model_folder}: No modules were targeted. Train all weights instead."
    )


def test_missing_weights_are_refused_instead_of_made_up(model_folder: Path) -> None:
    edit_weights(model_folder, model__norm__weight=None)
    assert "lacks 1 of the model's weights, such as model.norm.weight" in refusal(model_folder)


def test_weights_of_another_shape_are_refused_and_the_trace_is_logged(
    model_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit_weights(model_folder, model__norm__weight=torch.zeros(17))
    assert f"The model in {model_folder} does not load" in refusal(model_folder)
    assert [record.exc_info is not None for record in caplog.records if "does not load" in record.message] == [True]


def test_an_unknown_architecture_is_refused(model_folder: Path) -> None:
    edit_json(model_folder / "config.json", model_type="no-such-model", architectures=["NoSuchModel"])
    assert "no-such-model" in refusal(model_folder)


def test_a_folder_without_tokenizer_is_refused(model_folder: Path) -> None:
    (model_folder / "tokenizer.json").unlink()
    assert "has no tokenizer" in refusal(model_folder)


def test_a_tokenizer_larger_than_the_model_is_refused(model_folder: Path) -> None:
    edit_json(model_folder / "config.json", vocab_size=9)
    edit_weights(model_folder, model__embed_tokens__weight=torch.zeros(9, 16), lm_head__weight=torch.zeros(9, 16))
    assert "a tokenizer with 6 tokens, such as '7' (9), beyond the 9 that the model knows" in refusal(model_folder)


def test_progress_is_silent_for_what_is_on_disk(model_folder: Path) -> None:
    heard: list[str] = []
    load_policy(config(model_folder, "lora"), "cpu", seed=0, progress=heard.append)
    assert heard == []
