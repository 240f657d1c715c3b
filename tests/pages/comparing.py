"""What the tests of the Compare page share: opening it, and its charts, choices and HTML."""

import json

from streamlit.testing.v1 import AppTest

from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from tests.pages.reading import charts_of, open_page, raw_html


def compared(runs: str, **query: str) -> AppTest:
    app = open_page("compare", runs=runs, **query)
    assert not app.exception
    return app


def figure(app: AppTest, key: str, board: str = "compare_charts") -> dict:
    return json.loads(charts_of(app, board)[key]["figure"])


def choice(app: AppTest, label: str):
    return next(group for group in app.get("button_group") if group.label == label)


def stored(root, run: str, column: str) -> list[float]:
    return RunReader(RunPaths(root / run).db).steps()[column].tolist()


def page_html(app: AppTest) -> str:
    """The HTML of the page, without the style sheet."""
    return raw_html(app).partition("<style>")[0]
