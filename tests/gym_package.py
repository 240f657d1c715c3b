"""A small package by the name of reasoning_gym: the real one is 350 MB."""

import os
from pathlib import Path

import pytest

PACKAGE = """
import time
from .factory import DATASETS

def create_dataset(name, seed, size, **config):
    print("noise on standard output")
    if name == "sleepy":
        time.sleep(60)
    if name == "crash":
        import os
        os._exit(7)
    if config.get("bad"):
        raise ValueError("bad must not be set")
    items = []
    for i in range(size):
        answer = None if name == "open" and i % 2 else str(seed % 97 + i + 1)
        meta = {"source_dataset": name, "source_index": i, "odd": {1, 1}, **config}
        items.append({"question": f"{seed % 97 + i}+1?", "answer": answer, "metadata": meta})
    return items
"""


def install_gym(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the package into this folder, where this process and its children find it."""
    package = folder / "reasoning_gym"
    package.mkdir()
    (package / "__init__.py").write_text(PACKAGE)
    names = ("sums", "open", "sleepy", "crash")
    (package / "factory.py").write_text(f"DATASETS = {{name: None for name in {names}}}")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
