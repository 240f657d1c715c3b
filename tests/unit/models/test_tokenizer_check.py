"""Which tokenizers are refused before a library reads them; those of real models are not."""

from pathlib import Path

import pytest

from engine.errors import ModelError
from engine.models.catalog import EMBEDDED_FOLDER
from engine.models.tokenizer_check import check_tokenizer, repeats_in_repeats
from tests.model_folders import edit_json

# GPT-4's pattern, as Llama 3 has it, and GPT-4o's: the longest in wide use.
GPT4 = (
    r"(?i:'s|'t|'re|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}]*[\p{Ll}\p{M}]+(?i:'s|'t|'re)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s+(?!\S)"
)


@pytest.mark.parametrize(
    ("pattern", "refused"),
    [
        (GPT4, False), (GPT4O, False), (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+", False), (r"(ab)+c", False), (r"(a+)", False),
        (r"(a+)?b", False), (r"(a+){2}", False), (r"[(+)]*+", False), (r"\(a+\)+", False),
        (r"(a+)+", True), (r"(a*)*", True), (r"(?:x|(b+)c)*", True), (r"(a{2,})+", True), (r"(a+){3,}", True),
        (r"((a+)?b)*", True),
    ],
)  # fmt: skip
def test_a_repeat_of_something_that_repeats_is_found(pattern: str, refused: bool) -> None:
    assert repeats_in_repeats(pattern) is refused


def test_real_tokenizers_pass(model_folder: Path) -> None:
    check_tokenizer(EMBEDDED_FOLDER)
    check_tokenizer(model_folder)


def test_steps_that_keep_the_length_of_a_text_may_be_many(model_folder: Path) -> None:
    step = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    edit_json(model_folder / "tokenizer.json", normalizer={"type": "Sequence", "normalizers": [step] * 200})
    check_tokenizer(model_folder)


def test_growth_is_counted_over_all_steps_together(model_folder: Path) -> None:
    def double(times: int) -> None:
        step = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
        edit_json(model_folder / "tokenizer.json", normalizer={"type": "Sequence", "normalizers": [step] * times})

    double(6)  # 2⁶ = 64
    check_tokenizer(model_folder)
    double(7)
    with pytest.raises(ModelError, match="its normalizer makes a text more than 64 times as long"):
        check_tokenizer(model_folder)
