"""Reads the header of a GGUF file within fixed limits: what the model is, and whether the file can be trusted so far.

The `gguf` package believes every count and length in a file, so nothing reaches it before this check has passed.
Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from engine.errors import ModelError
from engine.models.licence import short_licence
from engine.models.shape import ModelShape, gguf_shape

HEADER_LIMIT = 32 * 2**20  # a vocabulary of 262,144 tokens with its merges takes about 16 MiB
MAX_TENSORS = 100_000
MAX_KEYS = 10_000
MAX_DIMENSIONS = 4
MAX_PARAMETERS = 10**13

_STRING, _ARRAY = 8, 9
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}


# ggml_type in ggml.h: the formats that files on the Hub have.
_FORMATS = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K",
    12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 29: "IQ1_M", 30: "BF16", 39: "MXFP4",
}  # fmt: skip


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says about its model. `parameters` counts the weights of all tensors."""

    architecture: str
    name: str | None
    context_length: int | None
    parameters: int
    has_chat_template: bool
    shape: ModelShape | None = None
    dtype: str | None = None  # format of most weights, such as Q4_1
    licence: str | None = None


class _Broken(Exception):
    """The header is not what a GGUF header can be; the text completes "... is not a usable GGUF file: "."""


class _Reader:
    """Reads front to back and never further than the file or the limit reaches."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = min(size, HEADER_LIMIT)

    def take(self, count: int) -> bytes:
        if count > self._left:
            raise _Broken(f"its header asks for {count:,} more bytes where {self._left:,} are left")
        self._left -= count
        data = self._file.read(count)
        if len(data) != count:
            raise _Broken("it ends inside its header")
        return data

    def number(self, layout: str) -> Any:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def text(self) -> str:
        return self.take(self.number("<Q")).decode("utf-8", errors="replace")

    def value(self) -> Any:
        """The next typed value; arrays are skipped and give None."""
        kind = self.number("<I")
        if kind == _ARRAY:
            return self._skip_array()
        return self._single(kind)

    def _single(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind not in _SCALARS:
            raise _Broken(f"it holds a value of the unknown type {kind}")
        return self.number(_SCALARS[kind])

    def _skip_array(self) -> None:
        kind, count = self.number("<I"), self.number("<Q")
        if kind == _STRING:
            for _ in range(count):  # ends early: each string takes 8 bytes or more of what is left
                self.take(self.number("<Q"))
        elif kind in _SCALARS:
            self.take(count * struct.calcsize(_SCALARS[kind]))
        else:
            raise _Broken(f"it holds an array of the type {kind}, which no tokenizer or model needs")


def read_header(path: Path) -> GgufHeader:
    """The header of a GGUF file. Raises ModelError when it is missing, cut short, or makes no sense."""
    try:
        with path.open("rb") as file:
            return _read(_Reader(file, path.stat().st_size))
    except _Broken as error:
        raise ModelError(
            f"{path} is not a usable GGUF file: {error}.", hint="Download or convert the file again."
        ) from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.", hint="Check the path and its rights.") from None


def _read(reader: _Reader) -> GgufHeader:
    if reader.take(4) != b"GGUF":
        raise _Broken("it does not begin with the letters GGUF")
    version = reader.number("<I")
    if version not in (2, 3):
        raise _Broken(f"its version is {version}, and only 2 and 3 are known")
    tensors, keys = reader.number("<Q"), reader.number("<Q")
    if not 0 < tensors <= MAX_TENSORS or not 0 < keys <= MAX_KEYS:
        raise _Broken(f"it claims {tensors:,} tensors and {keys:,} metadata keys")
    metadata = {reader.text(): reader.value() for _ in range(keys)}
    architecture, name = metadata.get("general.architecture"), metadata.get("general.name")
    if not isinstance(architecture, str):
        raise _Broken("it does not say which architecture it holds")
    context_length = metadata.get(f"{architecture}.context_length")
    weights, vocabulary = _count_tensors(reader, tensors)
    return GgufHeader(
        architecture=architecture,
        name=name if isinstance(name, str) else None,
        context_length=context_length if isinstance(context_length, int) else None,
        parameters=weights.total(),
        has_chat_template=isinstance(metadata.get("tokenizer.chat_template"), str),
        shape=gguf_shape(architecture, metadata, vocabulary),
        dtype=weights.most_common(1)[0][0] if weights else None,
        licence=short_licence(metadata.get("general.license")),
    )


def _count_tensors(reader: _Reader, tensors: int) -> tuple[Counter[str], int | None]:
    """The weights of all tensors by their format, and how many tokens the embedding has, if there is one."""
    weights: Counter[str] = Counter()
    vocabulary = None
    for _ in range(tensors):
        name = reader.text()
        dimensions = reader.number("<I")
        if dimensions > MAX_DIMENSIONS:
            raise _Broken(f"tensor {name[:80]!r} has {dimensions} dimensions")
        sizes = [reader.number("<Q") for _ in range(dimensions)]
        kind = reader.number("<I")
        reader.take(8)  # the tensor's offset
        weights[_FORMATS.get(kind, f"format {kind}")] += math.prod(sizes)
        if name == "token_embd.weight" and len(sizes) == 2:
            vocabulary = sizes[1]
        if weights.total() > MAX_PARAMETERS:
            raise _Broken(f"tensor {name[:80]!r} brings it to {weights.total():,} weights")
    return weights, vocabulary
