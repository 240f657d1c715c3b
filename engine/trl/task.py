"""What is trained on what: model, data, rewards, stop strings, device, name; mostly from the YAML of `trl grpo`."""

from pathlib import PurePath
from typing import Any

from engine.config_data import looks_like_hub
from engine.config_io import default_params
from engine.errors import Problem
from engine.trl.fields import is_default
from engine.trl.translation import Translation, in_words

MODEL_FIELDS = ("model_name_or_path", "use_peft", "lora_r", "lora_alpha", "dtype", "torch_dtype")
DATA_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
NAME_LENGTH = 80
STOP_NAMES = ("stop_strings", "stop")  # of transformers and of vLLM

# TRL's own reward functions → (ours, its settings, what differs).
REWARDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "accuracy_reward": (
        "numeric_match", {},
        "TRL compares formulas with math-verify; numeric_match compares the number that the answer states.",
    ),
    "reasoning_accuracy_reward": (
        "numeric_match", {},
        "TRL cuts off the reasoning and compares formulas; numeric_match compares the number that the answer states.",
    ),
    "think_format_reward": (
        "regex_match", {"pattern": "(?s)<think>(?!.*<think>).*?</think>.*", "mode": "fullmatch"}, "",
    ),
}  # fmt: skip
NO_SUCH_REWARD = "There is no such reward here, so it was left out."


def take_task(t: Translation) -> None:
    """Set model, data, rewards, device and name, where the config says something about them."""
    _take_model(t)
    _take_precision(t)
    _take_data(t)
    _take_rewards(t)
    _take_generation_options(t)
    if t.switch("use_cpu"):
        t.take("device", "cpu", "use_cpu")
    if t.is_given("seed"):
        note = "The same seed draws other random numbers here than in TRL."
        t.take("seed", t.whole("seed", 0), "seed", note=note)
    _take_name(t)


def _take_model(t: Translation) -> None:
    """A YAML file that names a model but no adapter trains all weights; a GRPOConfig says nothing of either."""
    source = t.text("model_name_or_path")
    if source is not None:
        t.take("model.source", source, "model_name_or_path")
    if not t.is_given(*MODEL_FIELDS):
        return
    lora = t.switch("use_peft")
    t.take("model.adapter", "lora" if lora else "full", "use_peft")
    t.told.update(("lora_r", "lora_alpha"))
    if lora:
        t.take("model.lora_rank", t.whole("lora_r"), "lora_r")
        t.take("model.lora_alpha", t.whole("lora_alpha"), "lora_alpha")
        if t.number("lora_dropout"):
            t.leave("There is never dropout here.", "lora_dropout")
        t.told.add("lora_dropout")


def _take_precision(t: Translation) -> None:
    """dtype is the format of the weights, bf16 that of the computing over weights which stay in float32."""
    name = next((name for name in ("dtype", "torch_dtype") if t.theirs.get(name) is not None), "")
    wanted = in_words(t.get(name)).removeprefix("torch.") if name else _dtype_of_kwargs(t)
    if wanted in ("bfloat16", "float32"):
        t.take("model.dtype", wanted, name or "model_init_kwargs")
    elif wanted:
        t.take("model.dtype", "float32", name or "model_init_kwargs", note="Weights are float32 or bfloat16 here.")
    if t.switch("fp16"):
        t.leave("There is no float16 here; the number format is that of the weights.", "fp16")
    if t.get("bf16") is not None and t.switch("bf16"):
        _take_bf16(t, wanted)


def _take_bf16(t: Translation, weights: str) -> None:
    if weights == "bfloat16":
        t.told.add("bf16")
        return
    if t.settings["model"].get("adapter") == "lora":
        note = "TRL computes in bfloat16 over float32 weights; here the frozen weights are bfloat16, LoRA's float32."
        t.take("model.dtype", "bfloat16", "bf16", note=note)
    else:
        note = (
            "TRL computes in bfloat16 over float32 weights. Here both have one format, and small updates of weights in "
            "bfloat16 would be rounded away."
        )
        t.take("model.dtype", "float32", "bf16", note=note)


def _dtype_of_kwargs(t: Translation) -> str:
    kwargs = t.get("model_init_kwargs")
    if kwargs is None:
        return ""
    if not isinstance(kwargs, dict):
        t.problems.append(Problem("model_init_kwargs", f"{in_words(kwargs)} is not accepted: should be a mapping."))
        return ""
    rest = [in_words(key)[:40] for key in kwargs if key not in ("dtype", "torch_dtype")]
    if rest:
        said = f"model_init_kwargs: {', '.join(rest)}"
        t.leave("A model is loaded without options of its own.", "model_init_kwargs", theirs=said)
    dtype = kwargs.get("dtype", kwargs.get("torch_dtype"))
    return "" if dtype is None else in_words(dtype).removeprefix("torch.")


def _take_data(t: Translation) -> None:
    source = t.text("dataset_name")
    if source is None:
        return
    is_known = source.lower().endswith(DATA_SUFFIXES) or looks_like_hub(source)
    note = "" if is_known else "Nothing is fetched here: save the dataset as a JSONL or Parquet file, and name that."
    t.take("data.source", source, "dataset_name", note=note)
    for column in ("prompt_column", "answer_column"):
        t.settings["data"][column] = None  # those of the file before


def _take_rewards(t: Translation) -> None:
    """The functions that have a counterpart, with their weights; without any, the rewards of before stay."""
    names, weights = _reward_names(t), t.get("reward_weights")
    if weights is not None and not _is_list_of_numbers(weights):
        t.problems.append(
            Problem("reward_weights", f"{in_words(weights)} is not accepted: should be a list of numbers.")
        )
        return
    if not names:
        _weigh_rewards_of_before(t, weights)
        return
    if weights is not None and len(weights) != len(names):
        message = f"there are {len(weights)} weights for {len(names)} reward functions."
        t.problems.append(Problem("reward_weights", message, "TRL refuses this too."))
        return
    t.told.update(("reward_funcs", "reward_model_name_or_path", "reward_weights"))
    found = _counterparts(t, names, [1.0] * len(names) if weights is None else [float(w) for w in weights])
    if found:
        t.settings["rewards"] = found
        t.origin["rewards"] = "reward_funcs"


def _counterparts(t: Translation, names: list[str], weights: list[float]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, weight in zip(names, weights, strict=True):
        ours, params, note = REWARDS.get(name.rpartition(".")[2], ("", {}, ""))
        theirs = f"reward {in_words(name)}, weight {weight:g}"
        if not ours:
            t.leave(NO_SUCH_REWARD, "reward_funcs", theirs=theirs)
        elif any(spec["name"] == ours for spec in found):
            t.leave(f"{ours} stands for another one already, and is listed once.", "reward_funcs", theirs=theirs)
        else:
            found.append({"name": ours, "weight": weight, "params": {**default_params(ours), **params}})
            t.tell(theirs, f"rewards: {ours} × {weight:g}", note)
    return found


def _weigh_rewards_of_before(t: Translation, weights: list[Any] | None) -> None:
    specs = t.settings.get("rewards")
    if weights is None:
        return
    if isinstance(specs, list) and len(specs) == len(weights):
        t.settings["rewards"] = [{**spec, "weight": float(w)} for spec, w in zip(specs, weights, strict=True)]
        listed = ", ".join(f"{spec['name']} × {spec['weight']:g}" for spec in t.settings["rewards"])
        t.tell(t.say("reward_weights"), f"rewards: {listed}", "The config names no reward functions; these were here.")
    else:
        t.leave("The config names no reward functions, and the run has another number of rewards.", "reward_weights")


def _reward_names(t: Translation) -> list[str]:
    """TRL's order: a reward model first, then the functions."""
    functions = t.get("reward_funcs")
    functions = [functions] if isinstance(functions, str) else functions or []
    if not isinstance(functions, list) or not all(isinstance(name, str) for name in functions):
        t.problems.append(Problem("reward_funcs", f"{in_words(functions)} is not accepted: should be a list of names."))
        return []
    model = t.text("reward_model_name_or_path")
    return [*([model] if model else []), *functions]


def _is_list_of_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 for value in values
    )


def _take_generation_options(t: Translation) -> None:
    """The stop strings, under the name that transformers or vLLM has for them; TRL passes any option on."""
    options = t.get("generation_kwargs")
    if options is None:
        return
    if not isinstance(options, dict):
        message = f"{in_words(options)} is not accepted: should be a mapping."
        t.problems.append(Problem("generation_kwargs", message))
        return
    if name := next((name for name in STOP_NAMES if options.get(name)), None):
        strings = options[name]
        t.take("rollout.stop_strings", [strings] if isinstance(strings, str) else strings, "generation_kwargs")
    if rest := [in_words(key)[:40] for key in options if key != name]:
        said = f"generation_kwargs: {', '.join(rest)}"
        t.leave("Of the generation options only stop strings are known here.", "generation_kwargs", theirs=said)


def _take_name(t: Translation) -> None:
    """The name of the run; TRL's is often that of its folder, of which the last part is the name."""
    source = next((name for name in ("run_name", "output_dir") if not is_default(name, t.get(name))), None)
    text = t.text(source) if source else None
    name = "".join(c for c in PurePath(text).name if c.isprintable())[:NAME_LENGTH].strip() if text else ""
    if source and name:
        t.take("name", name, source)
    t.told.update(("run_name", "output_dir"))
