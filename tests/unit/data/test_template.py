"""The prompt template replaces placeholders literally, once."""

import pytest

from engine.data.template import check_template, fill_template
from engine.errors import DatasetError


def test_prompt_and_columns_are_put_in() -> None:
    assert fill_template("{level}: {prompt} =", "1+1", {"level": 3}) == "3: 1+1 ="


def test_data_is_never_read_as_a_template() -> None:
    hostile = "{answer} {0.__class__} %s {{x}}"
    assert fill_template("Q: {prompt}", hostile, {"answer": "secret"}) == f"Q: {hostile}"
    assert fill_template("{a}{b}", "", {"a": "{b}", "b": "2"}) == "{b}2"


def test_double_braces_stand_for_braces() -> None:
    assert fill_template("{{prompt}} is {prompt}", "x", {}) == "{prompt} is x"


@pytest.mark.parametrize("template", [r"Answer in \boxed{}. {prompt}", "{ {prompt}", "} {prompt}"])
def test_braces_around_nothing_stay(template: str) -> None:
    assert fill_template(template, "Q", {}) == template.replace("{prompt}", "Q")
    check_template(template, [])


def test_cells_that_are_no_text_are_written_as_json_and_nothing_as_nothing() -> None:
    columns = {"a": None, "b": 1.5, "c": True, "d": ["ä"]}
    assert fill_template("{a}|{b}|{c}|{d}|{gone}", "", columns) == '|1.5|true|["ä"]|'


def test_an_unknown_placeholder_is_named_with_the_columns_there_are() -> None:
    with pytest.raises(
        DatasetError, match=r"has \{promt\}, but there is no column 'promt'; there are prompt, level"
    ) as e:
        check_template("{promt}", ["level"])
    assert e.value.hint == "Did you mean 'prompt'?" and e.value.field == "data.prompt_template"


def test_a_template_without_a_placeholder_is_refused() -> None:
    with pytest.raises(DatasetError, match="every prompt would be the same"):
        check_template("Solve this: {{prompt}}", ["level"])
