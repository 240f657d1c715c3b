"""What is said about a model from its files alone."""

import pytest

from dashboard.views.form_model_section import _facts, look_at_model, model_problems
from engine.models.folder import ModelFacts


@pytest.fixture(autouse=True)
def nothing_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    look_at_model.clear()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (ModelFacts(), []),
        (ModelFacts("x", 128, 860_000, False),
         ["0.9 million parameters", "context of 128 tokens", "licence unknown",
          "no chat template: prompts are sent as they are"]),
        (ModelFacts("x", 8192, 1_500_000_000, True, dtype="bfloat16", licence="mit", size_bytes=3 * 2**30),
         ["1.5 billion parameters", "context of 8,192 tokens", "bfloat16, 3.0 GB on disk", "licence mit",
          "with a chat template"]),
        (ModelFacts("x", None, 1_000_000_000, None), ["1.0 billion parameters", "licence unknown"]),
    ],
)  # fmt: skip
def test_facts_are_told_as_far_as_they_are_known(facts, words):
    assert list(_facts(facts)) == words


def test_the_embedded_model_is_told_by_its_size():
    problem, words = look_at_model("embedded")
    assert problem is None and words[1] == "context of 128 tokens"


def test_a_model_of_the_hub_that_is_not_here_is_no_problem_and_said_to_be_downloaded():
    assert model_problems("org/name") == []
    assert look_at_model("org/name") == (None, ["Not on this machine: the check or the run downloads it from the Hub."])


def test_a_model_that_cannot_be_loaded_is_a_problem_of_its_field_with_the_way_out():
    (problem,) = model_problems("/no/such/folder")
    assert problem.field == "model.source"
    assert problem.message == "There is no model '/no/such/folder'."
    assert problem.hint.startswith("Name embedded, a folder")
    assert model_problems("") == []
