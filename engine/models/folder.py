"""Checks a model folder before anything is loaded from it, and reads its facts: JSON and safetensors headers only.

A folder passes when its config.json is a JSON object without custom code, and its weights are whole safetensors files.
"""

import json
import math
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.models.licence import card_licence
from engine.models.shape import ModelShape, config_shape

SINGLE_FILE, SHARD_INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")

MAX_JSON_BYTES = 32 * 2**20  # the index of a model with 100,000 tensors takes about 10 MiB
MAX_HEADER_BYTES = 16 * 2**20
MAX_TENSORS = 100_000
MAX_LAYERS = 1000
MAX_CONTEXT = 10**8  # ten times what any model has
_KERNEL_KEYS = ("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation")

_LAYER_KEYS = ("num_hidden_layers", "num_layers", "n_layers", "n_layer")
# How safetensors calls number formats, and what they are called elsewhere.
_FORMATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
# What architectures call the longest sequence they can read.
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length", "n_ctx")


@dataclass(frozen=True)
class ModelFacts:
    """What is known about a model without loading it; None where its files do not say."""

    architecture: str | None = None
    context_length: int | None = None
    parameters: int | None = None
    has_chat_template: bool | None = None
    shape: ModelShape | None = None
    dtype: str | None = None  # number format of most weights on disk
    licence: str | None = None
    size_bytes: int | None = None  # of the weights on disk


def check_folder(folder: Path) -> None:
    """Raises ModelError with the first reason why no model can be loaded from the folder."""
    config = read_config(folder)
    _refuse_custom_code(folder / "config.json", config)
    _refuse_quantised(folder, config)
    _refuse_foreign_kernels(folder / "config.json", config)
    if (tokenizer_config := folder / "tokenizer_config.json").is_file():
        _refuse_custom_code(tokenizer_config, _read_object(tokenizer_config))
    _require_room(folder, config, sum(count_weights(path).total() for path in weight_files(folder)))


def folder_facts(folder: Path) -> ModelFacts:
    """The facts of a folder that passes check_folder. Raises ModelError when it does not."""
    config, files = read_config(folder), weight_files(folder)
    weights = sum(map(count_weights, files), Counter[str]())
    return ModelFacts(
        architecture=next(iter(architectures(config)), None),
        context_length=context_length(config),
        parameters=weights.total(),
        has_chat_template=_has_chat_template(folder),
        shape=config_shape(config),
        dtype=weights.most_common(1)[0][0] if weights else None,
        licence=card_licence(folder),
        size_bytes=sum(path.stat().st_size for path in files),
    )


def architectures(config: dict[str, Any]) -> list[str]:
    """The classes of transformers that config.json names, such as LlamaForCausalLM."""
    names = config.get("architectures")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of the folder. Raises ModelError when the folder or the file is missing or malformed."""
    if not folder.is_dir():
        raise ModelError(
            f"There is no model folder {folder}.",
            hint="Check the path; a model on the Hub is named organisation/name.",
        )
    if (folder / "adapter_config.json").is_file():  # transformers would follow it to whichever base model it names
        raise ModelError(
            f"{folder} holds a LoRA adapter, not a whole model.",
            hint="Merge the adapter into its base model, and name the merged folder.",
        )
    if (folder / "config.json").is_file():
        return _plausible(folder / "config.json", _read_object(folder / "config.json"))
    raise ModelError(
        f"{folder} has no config.json, so it is not a model folder.",
        hint="Name the folder that holds config.json, model.safetensors and the tokenizer.",
    )


def _plausible(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Refuses a number of layers that would be built for hours before anything is compared with the weights."""
    for key in _LAYER_KEYS:
        layers = config.get(key)
        if isinstance(layers, int) and layers > MAX_LAYERS:
            raise _damaged(path, f"it asks for {layers:,} layers")
    return config


def context_length(config: dict[str, Any]) -> int | None:
    """The longest sequence the model can read, in tokens; None when config.json does not say."""
    sections = [config, config.get("text_config")]
    for section in (section for section in sections if isinstance(section, dict)):
        for key in _CONTEXT_KEYS:
            value = section.get(key)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
    return None


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of the folder. Raises ModelError when there are none, or some are missing."""
    if (folder / SINGLE_FILE).is_file():
        return [folder / SINGLE_FILE]
    if (folder / SHARD_INDEX).is_file():
        return _shards(folder)
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in PICKLE_SUFFIXES)
    if pickles:
        raise ModelError(
            f"{folder} has its weights only as pickle ({', '.join(pickles[:3])}), which can run code when it loads.",
            hint="Convert them to model.safetensors where you trust their origin: load the model with transformers, "
            "and call save_pretrained.",
        )
    raise ModelError(
        f"{folder} has a config.json but no weights.", hint=f"Put {SINGLE_FILE} (or its shards and index) beside it."
    )


def count_weights(path: Path) -> Counter[str]:
    """Number of weights in a safetensors file by their format. Raises ModelError when it is malformed or cut short.

    Layout: 8 bytes of header length (little-endian), the header as JSON, then the tensors' bytes.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))[0]
        if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            raise _damaged(path, f"its header claims {length:,} bytes in a file of {size:,}")
        header = _parse(path, file.read(length))
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if len(tensors) > MAX_TENSORS:
        raise _damaged(path, f"it lists {len(tensors):,} tensors")
    try:
        ends = [int(entry["data_offsets"][1]) for entry in tensors.values()]
        weights: Counter[str] = Counter()
        for entry in tensors.values():
            weights[_FORMATS.get(entry["dtype"], str(entry["dtype"])[:20])] += math.prod(map(int, entry["shape"]))
    except (KeyError, IndexError, TypeError, ValueError):
        raise _damaged(path, "its header does not describe tensors") from None
    parameters = weights.total()
    if not 0 <= parameters <= 2 * max(ends, default=0):  # the smallest formats have two weights in a byte
        raise _damaged(path, f"its shapes make {parameters:,} weights in a file of {size:,} bytes")
    if max(ends, default=0) + 8 + length != size:
        raise _damaged(path, f"it should have {max(ends, default=0) + 8 + length:,} bytes and has {size:,}")
    return weights


def _shards(folder: Path) -> list[Path]:
    weight_map = _read_object(folder / SHARD_INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise _damaged(folder / SHARD_INDEX, "it has no weight_map")
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise _damaged(folder / SHARD_INDEX, f"it names the shard {name[:80]!r}")
        if not (folder / name).is_file():
            raise ModelError(f"{folder} lacks {name}, a part of its weights.", hint="Download the model again.")
    return [folder / name for name in names]


def _refuse_custom_code(path: Path, content: dict[str, Any]) -> None:
    if "auto_map" in content:
        raise ModelError(
            f"{path} asks to run code that comes with the model (auto_map), and such code is never run.",
            hint="Choose a model whose architecture transformers itself has.",
        )


def _refuse_quantised(folder: Path, config: dict[str, Any]) -> None:
    """Packed weights need libraries and kernels of their own, and cannot be trained."""
    if (found := config.get("quantization_config")) is not None:
        method = found.get("quant_method") if isinstance(found, dict) else None
        how = str(method)[:40] if method else "quantization_config"
        raise ModelError(
            f"{folder} has quantised weights ({how}), which cannot be trained.",
            hint="Choose the model's version in float32, bfloat16 or float16, or a GGUF file.",
        )


def _refuse_foreign_kernels(path: Path, config: dict[str, Any]) -> None:
    """transformers loads an attention that is named organisation/name from the Hub, as code."""
    for key in _KERNEL_KEYS:
        if "/" in str(config.get(key)):
            raise ModelError(
                f"{path} asks for code from the Hub ({key}: {str(config[key])[:60]!r}), and such code is never run.",
                hint=f"Take {key} out of the file where you trust the rest of it.",
            )


def _require_room(folder: Path, config: dict[str, Any], parameters: int) -> None:
    """Refuses sizes that would be allocated before anything is compared with the weights."""
    shape, context = config_shape(config), context_length(config)
    if context is not None and context > MAX_CONTEXT:
        raise _damaged(folder / "config.json", f"it claims a context of {context:,} tokens")
    if shape is None:
        return
    claimed = max(shape.hidden * shape.vocabulary, shape.layers * shape.hidden * shape.attention)
    if claimed > 4 * parameters:  # the embedding alone, or the queries alone, cannot be more than everything
        raise _damaged(folder / "config.json", f"its sizes make {claimed:,} weights, and {parameters:,} are here")


def _has_chat_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    path = folder / "tokenizer_config.json"
    return path.is_file() and bool(_read_object(path).get("chat_template"))


def _read_object(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise _damaged(path, f"it has {size:,} bytes")
    return _parse(path, path.read_bytes())


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"it does not hold valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise _damaged(path, "it does not hold a JSON object")
    return content


def _damaged(path: Path, reason: str) -> ModelError:
    return ModelError(f"{path} cannot be used: {reason}.", hint="Download or save the model again.")
