"""The parts of the New-run form that are values: a section's header, the place of a choice."""

from dashboard.views.form import header_note, place
from dashboard.views.form_sections import SECTIONS
from dashboard.views.form_state import FormState
from engine.config_io import spelled_out
from engine.errors import Problem
from engine.presets import PRESETS

FORM = FormState(spelled_out(PRESETS[0].config).model_dump(mode="json"), "preset")
DATA = next(section for section in SECTIONS if section.key == "data")


def test_a_header_sums_its_section_up_until_something_in_it_is_wrong():
    elsewhere = {"loss.beta": [Problem("loss.beta", "x")], "database": [Problem("database", "x")]}
    assert header_note(FORM, DATA, elsewhere) == '<span class="lab-muted">arithmetic, 2 digits · 512 held out</span>'
    wrong = {
        "data.params.digits": [Problem("data.params.digits", "x")] * 2,
        "data.held_out": [Problem("data.held_out", "y")],
    }
    assert "✕ 3 to correct" in header_note(FORM, DATA, elsewhere | wrong)


def test_a_header_shows_names_as_text():
    form = FormState({**FORM.draft, "data": {"source": "<b>.jsonl", "held_out": 64}}, "preset")
    assert "&lt;b&gt;.jsonl · 64 held out" in header_note(form, DATA, {})


def test_a_value_that_is_no_option_has_no_place():
    assert (place("b", ["a", "b"]), place("c", ["a", "b"]), place(None, ["a"])) == (1, None, None)
