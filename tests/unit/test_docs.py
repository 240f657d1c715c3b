"""The documents say what is so: the README's tree is the tree, and every exit code stands there."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from engine import errors
from engine.config_io import flatten, parse_config
from engine.glossary import METRICS, TERMS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
ALGORITHM = (ROOT / "docs" / "algorithm.md").read_text()


def script(name: str) -> ModuleType:
    """A script of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_file_tree_of_the_readme_is_the_one_on_disk() -> None:
    assert script("file_tree").updated(README) == README, "run: python docs/file_tree.py"


def test_the_tables_of_the_algorithm_page_are_those_of_the_code() -> None:
    assert script("algorithm_tables").updated(ALGORITHM) == ALGORITHM, "run: python docs/algorithm_tables.py"


def test_every_setting_and_every_number_stands_on_the_algorithm_page() -> None:
    config = parse_config({"model": {"source": "m"}, "data": {"source": "d"}, "rewards": [{"name": "exact_match"}]})
    settings = {key for key in flatten(config) if not key.startswith("rewards")} | {"rewards"}
    named = set(re.findall(r"^\| `([^`]+)`", ALGORITHM, re.M))
    assert settings | METRICS.keys() | TERMS.keys() <= named
    dotted = {name for name in named if re.match(r"[a-z]+\.", name)}
    assert dotted <= settings, "a setting that does not exist"


def test_every_exit_code_is_in_the_readme() -> None:
    codes = {e.exit_code for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.LabError)}
    line = README[README.index("Exit codes of the engine") :].split("\n\n")[0]
    assert {int(number) for number in re.findall(r"\b\d+\b", line)} == codes | {0}


def test_every_picture_of_the_readme_and_the_docs_exists() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    missing = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text())
        if not (page.parent / target).is_file()
    ]
    assert missing == []


def test_the_readme_names_both_commands_and_the_makefile_has_them() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in ("demo", "test"):
        assert f"make {command}" in README
        assert re.search(rf"^{command}:", makefile, re.M)


def test_the_page_of_rewards_is_that_of_the_library_and_of_the_table_of_cases() -> None:
    page = (ROOT / "docs" / "rewards.md").read_text()
    assert script("reward_tables").updated(page) == page, "run: python docs/reward_tables.py"
