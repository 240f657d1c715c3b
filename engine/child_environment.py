"""What a child process of ours needs to import this very engine, from wherever it is started."""

import os
from pathlib import Path

import engine


def python_path() -> str:
    """PYTHONPATH of a child: this engine first, also when the package runs from a checkout, then what is there now."""
    return os.pathsep.join(filter(None, [str(Path(engine.__file__).parents[1]), os.environ.get("PYTHONPATH")]))


def child_environment() -> dict[str, str]:
    """Our whole environment, for children that run nothing of the user's or the model's."""
    return {**os.environ, "PYTHONPATH": python_path()}
