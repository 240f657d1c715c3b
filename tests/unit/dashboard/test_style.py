import re
from pathlib import Path

from dashboard.style import ASSETS, asset

DASHBOARD = Path(__file__).parents[3] / "dashboard"


def test_every_colour_name_in_use_is_defined():
    defined = set(re.findall(r"(--lab-[a-z0-9-]+):", asset("lab.css")))
    used = set()
    for path in [*DASHBOARD.rglob("*.py"), *ASSETS.glob("*.js"), *ASSETS.glob("*.css")]:
        used |= set(re.findall(r"var\((--lab-[a-z0-9-]+)", path.read_text(encoding="utf-8")))
    made_at_run_time = {"--lab-run-", "--lab-strength", "--lab-seq-", "--lab-", "--lab-soft-", "--lab-f"}
    assert used - made_at_run_time - defined == set()


def test_nothing_in_the_assets_is_loaded_from_elsewhere():
    for path in ASSETS.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text
        assert "innerHTML" not in text
