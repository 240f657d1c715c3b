"""Special tokens as models really have them: what ends a completion, what pads, and that padding is never looked at."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from engine.config import ModelConfig
from engine.data.example import Example
from engine.data.prompts import Renderer
from engine.errors import ModelError
from engine.models.load import load_policy
from engine.models.policy import Policy
from engine.rollout.sampler import Completions, SamplingParams, sample_completions
from engine.train.session import Session, build_session
from engine.train.step import train_step
from tests.model_folders import edit_json, edit_weights
from tests.toy import CHARACTERS, EOS, PAD, toy_config, toy_tokenizer

ONE, PLUS, EQUALS = (CHARACTERS.index(character) for character in "1+=")
Make = Callable[[Path], object]


def tokenizer_config(**changes: object) -> Make:
    return lambda folder: edit_json(folder / "tokenizer_config.json", **changes)


def generation(**changes: object) -> Make:
    return lambda folder: edit_json(folder / "generation_config.json", **changes)


def null(path: Path, key: str) -> None:
    """Set a key to null; without the key, the architecture's own default would count."""
    path.write_text(json.dumps({**json.loads(path.read_text()), key: None}))


def both(*makes: Make) -> Make:
    return lambda folder: [make(folder) for make in makes]


def adds_by_itself(template: str) -> Make:
    """A tokenizer that puts special tokens around every text: "=" stands for the beginning, as in its template."""

    def make(folder: Path) -> None:
        tokenizer = toy_tokenizer()
        tokenizer._tokenizer.post_processor = TemplateProcessing(
            single=template, special_tokens=[("=", EQUALS), ("<eos>", EOS)]
        )
        tokenizer.save_pretrained(folder)

    return make


def more_rows(folder: Path) -> None:
    """Embeddings rounded up, as many models have them: rows that no token stands for."""
    edit_json(folder / "config.json", vocab_size=20)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        rows = torch.randn(20, 16)
    edit_weights(folder, model__embed_tokens__weight=rows, lm_head__weight=rows.clone())


def added_pad(folder: Path) -> None:
    """A pad token that was added to the tokenizer and never to the model."""
    content = {"id": 15, "content": "[PAD]", "special": True}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    edit_json(folder / "tokenizer.json", added_tokens=[{**content, **flags}])
    edit_json(folder / "tokenizer_config.json", pad_token="[PAD]")


CASES: dict[str, tuple[Make, int, set[int], list[int]]] = {  # how it is made: pad, ends, tokens of "1+"
    "pad is a token of its own": (lambda _: None, PAD, {EOS}, [ONE, PLUS]),
    "pad is the end token": (tokenizer_config(pad_token="<eos>"), EOS, {EOS}, [ONE, PLUS]),
    "no pad": (tokenizer_config(pad_token=None), EOS, {EOS}, [ONE, PLUS]),
    "no pad and no end": (tokenizer_config(pad_token=None, eos_token=None), PAD, {EOS}, [ONE, PLUS]),
    "pad is unknown": (tokenizer_config(unk_token="<pad>"), PAD, {EOS}, [ONE, PLUS]),
    "pad was added beyond the model": (added_pad, EOS, {EOS}, [ONE, PLUS]),
    "no beginning": (tokenizer_config(bos_token=None), PAD, {EOS}, [ONE, PLUS]),
    "beginning is the end": (
        both(adds_by_itself("<eos> $A"), tokenizer_config(bos_token="<eos>", pad_token="<eos>")),
        EOS, {EOS}, [EOS, ONE, PLUS],
    ),
    "adds a beginning": (adds_by_itself("= $A"), PAD, {EOS}, [EQUALS, ONE, PLUS]),
    "adds a beginning and an end": (adds_by_itself("= $A <eos>"), PAD, {EOS}, [EQUALS, ONE, PLUS]),
    "several ends": (generation(eos_token_id=[EOS, 5, 6]), PAD, {EOS, 5, 6}, [ONE, PLUS]),
    "a turn ends otherwise": (generation(eos_token_id=7), PAD, {EOS, 7}, [ONE, PLUS]),
    "no end anywhere": (
        both(generation(eos_token_id=None), tokenizer_config(eos_token=None),
             lambda folder: null(folder / "config.json", "eos_token_id")),
        PAD, set(), [ONE, PLUS],
    ),
    "pads on the left": (tokenizer_config(padding_side="left"), PAD, {EOS}, [ONE, PLUS]),
    "pads on the right": (tokenizer_config(padding_side="right"), PAD, {EOS}, [ONE, PLUS]),
    "more rows than tokens": (more_rows, PAD, {EOS}, [ONE, PLUS]),
}  # fmt: skip


def policy_of(folder: Path) -> Policy:
    return load_policy(ModelConfig(source=str(folder), adapter="full"), "cpu", seed=0)


def sampled(policy: Policy) -> Completions:
    """Prompts of different lengths, so that the shorter one is padded."""
    return sample_completions(
        policy.model, [[ONE, PLUS, ONE, PLUS], [ONE]], 8, SamplingParams(1.0, 8), eos_ids=policy.eos_ids,
        pad_id=policy.pad_id, seed=3,
    )  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_every_convention_is_read_as_it_is_meant(model_folder: Path, name: str) -> None:
    make, pad, ends, prompt = CASES[name]
    make(model_folder)
    policy = policy_of(model_folder)
    assert (policy.pad_id, policy.eos_ids) == (pad, ends)
    renderer = Renderer(policy.tokenizer, ModelConfig(source="x"))
    assert renderer.render(Example("id", "1+", "1+", "2", {})).ids == prompt


@pytest.mark.parametrize("name", CASES)
def test_a_completion_ends_with_its_first_end_token_whatever_pads(model_folder: Path, name: str) -> None:
    CASES[name][0](model_folder)
    policy = policy_of(model_folder)
    found = sampled(policy)
    for ids, ended in zip(found.ids, found.ended, strict=True):
        assert not policy.eos_ids.intersection(ids[:-1])
        assert ended == (ids[-1] in policy.eos_ids)
        assert ended or len(ids) == 8
        policy.tokenizer.decode(ids, skip_special_tokens=True)  # also rows that no token stands for


@pytest.mark.parametrize("pad", [PAD, EOS, ONE, EQUALS])
def test_what_is_sampled_and_learned_does_not_depend_on_the_pad_token(model_folder: Path, pad: int) -> None:
    """A pad token that is an end token, or one that texts are full of, is told from them by its place alone."""

    def step(pad_id: int) -> tuple[list[list[int]], dict[str, torch.Tensor]]:
        session = session_with(model_folder, pad_id)
        record = train_step(session, 1, beat=lambda *_, **__: None)
        ids = [completion.tokens.ids.tolist() for group in record.groups for completion in group.completions]
        return ids, {name: value.detach() for name, value in session.policy.trainable()}

    (ids, weights), (other_ids, other_weights) = step(PAD), step(pad)
    assert len({len(row) for row in ids}) > 1  # something was padded
    assert ids == other_ids
    for name, value in weights.items():
        torch.testing.assert_close(value, other_weights[name], rtol=0, atol=0)


def session_with(folder: Path, pad_id: int) -> Session:
    config = toy_config(rollout={"max_completion_length": 8, "prompts_per_step": 3}, loss={"beta": 0.1})
    config = config.model_copy(update={"model": ModelConfig(source=str(folder), adapter="full")})
    session: Any = build_session(config, progress=lambda _: None)
    session.policy = session.forward.policy = dataclasses.replace(session.policy, pad_id=pad_id)
    return session


def test_a_token_that_texts_can_hold_and_the_model_does_not_know_is_refused(model_folder: Path) -> None:
    added_pad(model_folder)
    edit_json(model_folder / "tokenizer_config.json", pad_token="<pad>")
    with pytest.raises(ModelError, match=r"1 tokens, such as '\[PAD\]' \(15\), beyond the 15 that the model knows"):
        policy_of(model_folder)
