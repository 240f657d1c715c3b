"""The look of what Streamlit has no element for: chips, dots, token strips. The rules are in assets/lab.css."""

from functools import cache
from pathlib import Path

import streamlit as st

ASSETS = Path(__file__).parent / "assets"


@cache
def asset(name: str) -> str:
    """The text of a file in assets/."""
    return (ASSETS / name).read_text(encoding="utf-8")


def use_style() -> None:
    """Give this page the rules of lab.css. Takes no room on the page.

    Streamlit tells the browser light or dark for the page alone, and dialogs lie outside of it.
    """
    theme = st.context.theme.type
    scheme = theme if theme in ("light", "dark") else "light dark"
    st.html(f"<style>:root {{ color-scheme: {scheme}; }}{asset('lab.css')}</style>")
