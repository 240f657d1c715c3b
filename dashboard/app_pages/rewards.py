"""Rewards: write one of your own, check any of them before it trains anything, and score stored completions again."""

import streamlit as st

from dashboard.views.problem import explained
from dashboard.views.rescore_view import rescore_view
from dashboard.views.reward_board import check_view
from dashboard.views.reward_editor import editor_view
from dashboard.views.view_choice import chosen_view

# What the page can show: key in the URL → label, one line about it, and who draws it.
VIEWS = {
    "write": (
        ":material/edit: Write",
        "A reward of your own, as a Python function. It is saved as a file of yours.",
        editor_view,
    ),
    "check": (
        ":material/fact_check: Check",
        "What a reward says to right answers, and to completions that only look like one, before anything is trained.",
        check_view,
    ),
    "rescore": (
        ":material/compare_arrows: Re-score",
        "What another reward makes of completions that a run has stored: which judgements flip.",
        rescore_view,
    ),
}  # fmt: skip

st.title("Rewards", anchor=False)
view = chosen_view({name: label for name, (label, _, _) in VIEWS.items()}, key="rewards_view")
st.caption(VIEWS[view][1])
with explained():
    VIEWS[view][2]()
