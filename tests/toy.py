"""A two-layer model with a character tokenizer, made in memory: the engine without real weights."""

import copy
import warnings

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from engine.config import RunConfig
from engine.config_io import parse_config
from engine.models.policy import Policy

CHARACTERS = ["<pad>", "<eos>", *"0123456789+= "]
EOS, PAD = 1, 0


def toy_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel({text: i for i, text in enumerate(CHARACTERS)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>")


def toy_policy(seed: int = 0) -> Policy:
    """All weights are trained; the reference is a frozen copy."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=len(CHARACTERS), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=64,
        )  # fmt: skip
        model = LlamaForCausalLM(config).eval()
    frozen = copy.deepcopy(model).requires_grad_(False)
    return Policy(model, toy_tokenizer(), 64, frozenset({EOS}), PAD, frozen)


def toy_lora_policy(seed: int = 0) -> Policy:
    """The same with an adapter of rank 4 on frozen weights; the reference is the model without it."""
    base = toy_policy(seed).model
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # peft asks it
        torch.manual_seed(seed)
        lora = LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", r=4, lora_alpha=8)
        model = get_peft_model(base, lora).eval()  # type: ignore[arg-type]
    return Policy(model, toy_tokenizer(), 64, frozenset({EOS}), PAD)


def toy_config(**sections: dict[str, object]) -> RunConfig:
    """Six steps of 2 prompts × 4 completions; `sections` override single settings: toy_config(loss={"beta": 0.0})."""
    base: dict[str, dict[str, object]] = {
        "model": {"source": "embedded", "adapter": "full"},
        "data": {"source": "arithmetic", "params": {"digits": 2}, "held_out": 8},
        "rollout": {"num_generations": 4, "prompts_per_step": 2, "max_completion_length": 4},
        "optim": {"learning_rate": 1e-3, "max_steps": 6},
        "evaluation": {"every": 3, "num_prompts": 8},
        "checkpoint": {"every": 3},
    }
    merged = {name: {**base.get(name, {}), **sections.get(name, {})} for name in base.keys() | sections.keys()}
    rewards = [{"name": "exact_match"}, {"name": "digit_match", "weight": 0.3}]
    return parse_config({**merged, "rewards": rewards, "threads": 1})
