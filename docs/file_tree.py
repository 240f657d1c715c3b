"""The README's file tree, from the first sentence of each file; `python docs/file_tree.py` writes it there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("engine", "dashboard", "benchmarks", "docs")
START, END = "<!-- file tree: made by docs/file_tree.py -->\n", "<!-- end of file tree -->"


def file_tree() -> str:
    """The tree as Markdown: a heading line per folder, a line per file."""
    lines = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py"), key=_packages_first):
            name = path.relative_to(ROOT).as_posix()
            if path.name == "__init__.py":
                lines.append(f"\n{path.parent.relative_to(ROOT).as_posix() + '/':34} {first_sentence(path)}")
            else:
                lines.append(f"{'  ' + name:34} {first_sentence(path)}")
    return "```\n" + "\n".join(lines).strip("\n") + "\n```\n"


def first_sentence(path: Path) -> str:
    text = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=[.?!])\s", text)[0]


def updated(readme: str) -> str:
    """The README's text with a fresh tree between its two markers. Raises ValueError when a marker is missing."""
    start, end = readme.index(START) + len(START), readme.index(END)
    return readme[:start] + file_tree() + readme[end:]


def _packages_first(path: Path) -> tuple[str, bool, str]:
    return path.parent.as_posix(), path.name != "__init__.py", path.name


if __name__ == "__main__":
    target = ROOT / "README.md"
    target.write_text(updated(target.read_text()))
