"""New run: choose where to start from, change the settings, see what will happen, start."""

import streamlit as st

from dashboard.views.form import draw_field, draw_fields, draw_section
from dashboard.views.form_budget import draw_budget
from dashboard.views.form_check import PANEL_KEY, PANEL_STAYS_IN_SIGHT, draw_panel
from dashboard.views.form_data import data_problems, draw_data
from dashboard.views.form_fork import draw_fork_start
from dashboard.views.form_model import place_problems
from dashboard.views.form_model_section import draw_model, model_problems
from dashboard.views.form_rewards import draw_rewards
from dashboard.views.form_sections import CONTROL, SECTIONS
from dashboard.views.form_start import draw_start, follow_url
from dashboard.views.form_state import anchors, collect, form_state, open_sections

form = form_state()
follow_url(form)
collect(form)
open_sections(form)
config, problems = form.parsed()
of_data = data_problems(form)
problems += model_problems(str(form.value("model.source") or "")) + of_data
if config is not None:
    problems += form.fork_problems(config)
    told = {problem.field for problem in of_data}  # the check finds them again, in other words
    problems += [p for p in form.check_problems(config) if p not in problems and p.field not in told]
placed, elsewhere = place_problems(problems, anchors(form))

st.title("New run" if form.fork_step is None else "Fork a run", anchor=False)
st.html(f"<style>{PANEL_STAYS_IN_SIGHT}</style>")
if form.fork_step is None:
    draw_start(form)
else:
    draw_fork_start(form)
page = st.grid(2, min_column_width=420, gap="large")
with page.cell():
    draw_field(form, CONTROL["name"], placed)
    for section in SECTIONS:
        with draw_section(form, section, placed):
            match section.key:
                case "model":
                    draw_model(form, placed)
                case "data":
                    draw_data(form, placed)
                case "rewards":
                    draw_rewards(form, placed)
                case "budget":
                    draw_budget(form, placed)
                case _:
                    draw_fields(form, list(section.controls), placed, group=section.key)
with page.cell(), st.container(key=PANEL_KEY):
    draw_panel(form, config, placed, elsewhere)
