"""The Budget section of the New-run form: plain fields, and the deciding reward as a choice among the run's rewards."""

from dataclasses import replace

from dashboard.views.form import Placed, draw_fields
from dashboard.views.form_model import Control
from dashboard.views.form_sections import SECTIONS
from dashboard.views.form_state import FormState

JUDGE = "evaluation.pass_reward"
SECTION = next(section for section in SECTIONS if section.key == "budget")


def draw_budget(form: FormState, placed: Placed) -> None:
    draw_fields(form, [judge(form, c) if c.path == JUDGE else c for c in SECTION.controls], placed, group="budget")


def judge(form: FormState, control: Control) -> Control:
    """The field as a choice among the rewards of this run."""
    names = tuple(str(spec["name"]) for spec in form.value("rewards", []))
    return replace(control, kind="choice", choices=names)
