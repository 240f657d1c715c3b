"""The licence of a model card: what its front matter says, and nothing that it does not."""

from pathlib import Path

import pytest

from engine.models.catalog import model_facts
from engine.models.licence import MAX_CARD_BYTES, card_licence, short_licence


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n# Model", "apache-2.0"),
        ("---\nlanguage: en\nlicense: 'MIT'  \n---\n", "MIT"),
        ("---\r\nlicense: mit\r\n---\r\n", "mit"),
        ("---\nlicense:\n- apache-2.0\n- mit\n---\n", "apache-2.0"),
        ("---\nlicense:\n  - bsd\n---\n", "bsd"),
        ("---\nlicense: [cc-by-4.0, mit]\n---\n", "cc-by-4.0"),
        ("---\nlicense: other\nlicense_name: my-own\nlicense_link: LICENSE\n---\n", "my-own"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\nlicense_name: gemma\n---\n", None),
        ("---\nlicense:\n---\n", None),
        ("# license\nlicense: mit\n", None),  # no front matter
        ("---\ntags: x\n---\nlicense: mit\n", None),  # below it
        ("---\nmetadata:\n  license: mit\n---\n", None),
        ("", None),
    ],
)
def test_the_front_matter_of_a_card_names_the_licence(tmp_path: Path, card: str, licence: str | None) -> None:
    (tmp_path / "README.md").write_bytes(card.encode())
    assert card_licence(tmp_path) == licence


def test_without_a_card_the_licence_is_unknown(tmp_path: Path) -> None:
    assert card_licence(tmp_path) is None


def test_of_a_huge_card_only_the_beginning_is_read(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\n" + "x: 1\n" * (MAX_CARD_BYTES // 5) + "license: mit\n---\n")
    assert card_licence(tmp_path) is None


@pytest.mark.parametrize(
    ("value", "name"), [("mit", "mit"), (" a\x1b[2Jb ", "a[2Jb"), ("x" * 200, "x" * 80), ("", None), (5, None)]
)
def test_a_licence_is_a_short_printable_name(value: object, name: str | None) -> None:
    assert short_licence(value) == name


def test_the_embedded_model_has_the_licence_of_the_program() -> None:
    assert model_facts("embedded").licence == "apache-2.0"
