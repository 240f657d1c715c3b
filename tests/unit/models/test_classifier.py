"""Reward models and judges: what they give for a batch, and what is no classifier."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, LlamaConfig, LlamaForSequenceClassification

from engine.errors import ModelError
from engine.models.classifier import load_classifier, load_judge
from tests.model_folders import CONTEXT, GGUF_METADATA, GGUF_TENSORS, edit_json, edit_weights, gguf_bytes
from tests.toy import CHARACTERS, EOS, toy_tokenizer

SIZES = {"vocab_size": len(CHARACTERS), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
TEXTS = ["1+2=3", "12+34=46"]


def write_classifier(folder: Path, labels: int, *, bert: bool = False, pad: int | None = None) -> Path:
    """A tiny classifier with random weights: a Llama, or a Bert, which keeps a pooled first token."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        more = {"intermediate_size": 24, "max_position_embeddings": CONTEXT, "num_labels": labels, "pad_token_id": pad}
        model = (
            BertForSequenceClassification(BertConfig(**SIZES, **more))  # type: ignore[arg-type]
            if bert
            else LlamaForSequenceClassification(LlamaConfig(**SIZES, **more))  # type: ignore[arg-type]
        )
    model.save_pretrained(folder)
    toy_tokenizer().save_pretrained(folder)
    return folder


def refusal(load: Callable[[str, str], object], source: str) -> str:
    with pytest.raises(ModelError) as error:
        load(source, "cpu")
    return str(error.value)


@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize("bert", [False, True])
def test_a_batch_gets_the_scores_that_each_text_gets_alone(tmp_path: Path, labels: int, bert: bool) -> None:
    model, tokenizer = load_classifier(str(write_classifier(tmp_path / "reward", labels, bert=bert)), "cpu")
    together = model(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits
    alone = torch.cat([model(**tokenizer([text], return_tensors="pt")).logits for text in TEXTS])
    assert together.shape == (2, labels)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)  # the same sums in another order


def test_a_classifier_is_frozen_and_in_evaluation_mode(tmp_path: Path) -> None:
    model, _ = load_classifier(str(write_classifier(tmp_path / "reward", 1)), "cpu")
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_long_texts_are_cut_to_what_the_model_can_read(tmp_path: Path) -> None:
    model, tokenizer = load_classifier(str(write_classifier(tmp_path / "reward", 1)), "cpu")
    batch = tokenizer(["1" * (CONTEXT + 9)], truncation=True, return_tensors="pt")
    assert batch["input_ids"].shape == (1, CONTEXT)
    assert torch.isfinite(model(**batch).logits).all()


def test_a_language_model_is_no_classifier(model_folder: Path) -> None:
    assert "holds LlamaForCausalLM, not a sequence classifier" in refusal(load_classifier, str(model_folder))
    assert "not a sequence classifier" in refusal(load_classifier, "embedded")


@pytest.mark.parametrize("names", [None, 5, [], [5]])
def test_a_folder_that_names_no_architecture_is_no_classifier(tmp_path: Path, names: object) -> None:
    folder = write_classifier(tmp_path / "reward", 1)
    edit_json(folder / "config.json", architectures=names)
    assert "holds no named architecture, not a sequence classifier" in refusal(load_classifier, str(folder))


def test_a_gguf_file_is_no_classifier(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf_bytes(GGUF_METADATA, GGUF_TENSORS))
    assert "those hold no classifiers" in refusal(load_classifier, str(path))


def test_a_classifier_without_its_head_is_refused_instead_of_made_up(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "reward", 1)
    edit_weights(folder, score__weight=None)
    assert "lacks 1 of the model's weights, such as score.weight" in refusal(load_classifier, str(folder))


def test_a_classifier_obeys_the_rules_of_a_policys_folder(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "reward", 1)
    edit_json(folder / "config.json", auto_map={"AutoModelForSequenceClassification": "own.Code"})
    assert "such code is never run" in refusal(load_classifier, str(folder))
    edit_json(folder / "config.json", auto_map=None)
    edit_weights(folder, score__weight=torch.full((1, 16), torch.nan))
    assert "NaN or infinite values in score.weight" in refusal(load_classifier, str(folder))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "only as pickle" in refusal(load_classifier, str(folder))


def test_nothing_is_downloaded_when_the_user_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for load in (load_classifier, load_judge):
        assert "is not on this machine" in refusal(load, "someone/reward-model")


def test_a_judge_gives_a_batch_the_next_tokens_it_gives_each_text_alone(model_folder: Path) -> None:
    model, tokenizer = load_judge(str(model_folder), "cpu")
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    last = batch["attention_mask"].sum(dim=1) - 1
    together = model(**batch).logits[torch.arange(2), last]
    alone = torch.cat([model(**tokenizer([text], return_tensors="pt")).logits[:, -1] for text in TEXTS])
    assert together.shape == (2, len(CHARACTERS))
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)  # the same sums in another order


def test_a_judge_pads_on_the_right_whatever_its_tokenizer_asks_for(model_folder: Path) -> None:
    edit_json(model_folder / "tokenizer_config.json", padding_side="left", pad_token=None)
    _, tokenizer = load_judge(str(model_folder), "cpu")
    ids = tokenizer(TEXTS, padding=True)["input_ids"]
    assert ids[0][-3:] == [EOS] * 3


def test_the_embedded_model_can_judge() -> None:
    model, tokenizer = load_judge("embedded", "cpu")
    assert model(**tokenizer(["1+2="], return_tensors="pt")).logits.shape[-1] == model.config.vocab_size
