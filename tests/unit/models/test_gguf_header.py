"""The GGUF header: read within limits, refused with a reason."""

import struct
from pathlib import Path

import pytest

from engine.errors import ModelError
from engine.models.gguf_header import read_header
from tests.model_folders import GGUF_METADATA, GGUF_TENSORS, gguf_bytes, gguf_string


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    return path


def refusal(tmp_path: Path, data: bytes) -> str:
    with pytest.raises(ModelError) as error:
        read_header(write(tmp_path, data))
    return str(error.value)


def test_a_header_tells_what_the_model_is(tmp_path: Path) -> None:
    header = read_header(write(tmp_path, gguf_bytes(GGUF_METADATA, GGUF_TENSORS)))
    assert (header.architecture, header.name, header.context_length) == ("llama", "Tiny", 256)
    assert header.parameters == 4 * 2 + 4
    assert header.has_chat_template


@pytest.mark.parametrize("value", [
    struct.pack("<IB", 0, 1), struct.pack("<Ib", 1, 1), struct.pack("<IH", 2, 1), struct.pack("<Ih", 3, 1),
    struct.pack("<II", 4, 1), struct.pack("<Ii", 5, 1), struct.pack("<If", 6, 1), struct.pack("<I?", 7, True),
    struct.pack("<IQ", 10, 1), struct.pack("<Iq", 11, 1), struct.pack("<Id", 12, 1),
    struct.pack("<IIQ3h", 9, 3, 3, 1, 2, 3), struct.pack("<IIQ2d", 9, 12, 2, 1, 2),
])  # fmt: skip
def test_a_value_of_any_type_is_as_long_as_its_type(tmp_path: Path, value: bytes) -> None:
    header = read_header(write(tmp_path, gguf_bytes({"first": value, **GGUF_METADATA}, GGUF_TENSORS)))
    assert (header.architecture, header.context_length, header.parameters) == ("llama", 256, 12)


def test_version_2_is_read_too(tmp_path: Path) -> None:
    assert read_header(write(tmp_path, gguf_bytes(GGUF_METADATA, GGUF_TENSORS, version=2))).parameters == 12


def test_what_a_header_does_not_say_is_none(tmp_path: Path) -> None:
    header = read_header(write(tmp_path, gguf_bytes({"general.architecture": gguf_string("x")}, GGUF_TENSORS)))
    assert (header.name, header.context_length, header.has_chat_template) == (None, None, False)


def test_another_file_is_refused(tmp_path: Path) -> None:
    assert "does not begin with the letters GGUF" in refusal(tmp_path, b"PK\3\4" + bytes(60))


@pytest.mark.parametrize("version", [0, 1, 4, 0x03000000])
def test_an_unknown_version_is_refused(tmp_path: Path, version: int) -> None:
    assert f"its version is {version}," in refusal(tmp_path, gguf_bytes(GGUF_METADATA, GGUF_TENSORS, version=version))


@pytest.mark.parametrize("counts", [(2**62, 3), (3, 2**62), (0, 6), (2, 0), (100_001, 6), (2, 10_001)])
def test_absurd_counts_are_refused(tmp_path: Path, counts: tuple[int, int]) -> None:
    assert "it claims" in refusal(tmp_path, gguf_bytes(GGUF_METADATA, GGUF_TENSORS, counts=counts))


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = gguf_bytes(GGUF_METADATA, GGUF_TENSORS)
    reasons = [refusal(tmp_path, whole[:length]) for length in range(len(whole))]
    assert all("is not a usable GGUF file" in reason for reason in reasons)


def test_a_string_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    metadata = {"general.architecture": struct.pack("<IQ", 8, 2**62)}
    assert "asks for 4,611,686,018,427,387,904 more bytes" in refusal(tmp_path, gguf_bytes(metadata, GGUF_TENSORS))


def test_an_array_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    for kind in (6, 8):  # numbers, strings
        metadata = {"general.architecture": struct.pack("<IIQ", 9, kind, 2**60)}
        assert "more bytes where" in refusal(tmp_path, gguf_bytes(metadata, GGUF_TENSORS))


def test_nested_arrays_are_refused(tmp_path: Path) -> None:
    metadata = {"general.architecture": struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 5000}
    assert "an array of the type 9" in refusal(tmp_path, gguf_bytes(metadata, GGUF_TENSORS))


def test_an_unknown_value_type_is_refused(tmp_path: Path) -> None:
    metadata = {"general.architecture": struct.pack("<I", 77)}
    assert "unknown type 77" in refusal(tmp_path, gguf_bytes(metadata, GGUF_TENSORS))


def test_a_header_without_architecture_is_refused(tmp_path: Path) -> None:
    assert "which architecture" in refusal(tmp_path, gguf_bytes({"general.name": gguf_string("x")}, GGUF_TENSORS))


@pytest.mark.parametrize("shape", [(2**60, 2), (1, 1, 1, 1, 1)])
def test_absurd_tensor_shapes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    assert "tensor 'w'" in refusal(tmp_path, gguf_bytes(GGUF_METADATA, {"w": shape}))


def test_text_that_is_not_utf8_does_not_stop_the_reading(tmp_path: Path) -> None:
    metadata = {**GGUF_METADATA, "general.name": struct.pack("<IQ", 8, 2) + b"\xff\xfe"}
    assert read_header(write(tmp_path, gguf_bytes(metadata, GGUF_TENSORS))).name == "��"


def test_a_header_longer_than_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.models.gguf_header.HEADER_LIMIT", 100)
    assert "more bytes where" in refusal(tmp_path, gguf_bytes(GGUF_METADATA, GGUF_TENSORS))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        read_header(tmp_path / "none.gguf")
