"""A look at data in a child process: it may download, run reasoning-gym, or meet a file that takes long.

The child, `python -m engine.data.preview_client`, can be ended at any time.
"""

import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.child_answer import ask_child
from engine.config_data import GYM, DataSource
from engine.data.columns import FilePreview, preview_source, preview_table
from engine.data.gym import gym_table
from engine.data.shapes import Shape
from engine.errors import LabError

GYM_ROWS = 8  # that are made to be looked at


def preview_in_child(config: DataSource, *, limit: int = 3, timeout_s: float, cwd: Path | None = None) -> FilePreview:
    """The first rows of any source but a built-in task, downloaded when they are on the Hub alone.

    Never raises for what the child meets: a look that ends without an answer is itself a problem. Relative paths begin
    at `cwd`, or where this process works.
    """
    request = json.dumps(
        {"config": config.model_dump(mode="json", include=set(DataSource.model_fields)), "limit": limit}
    )
    answer = ask_child("engine.data.preview_client", request, timeout_s=timeout_s, cwd=cwd)
    if not answer.in_time:
        return _failed(config, f"Reading {config.source[:200]} took longer than {timeout_s:g} s.")
    try:
        return _from_json(json.loads(answer.output))
    except (ValueError, TypeError, KeyError):
        return _failed(config, f"Reading {config.source[:200]} ended with exit code {answer.exit_code}.")


def main() -> int:
    request, answer = json.load(sys.stdin), sys.stdout
    with redirect_stdout(sys.stderr):  # whatever a library prints, the answer stays one JSON object
        config = DataSource.model_validate(request["config"])
        preview = _preview(config, request["limit"])
    answer.write(json.dumps(asdict(preview)))
    return 0


def _preview(config: DataSource, limit: int) -> FilePreview:
    if not config.source.startswith(GYM):
        return preview_source(config, limit, fetch=True)
    few = config.model_copy(update={"params": {**config.params, "size": max(limit, GYM_ROWS)}})
    try:
        return preview_table(gym_table(few, 0, 0), config, limit)
    except LabError as error:
        return _failed(config, str(error))


def _from_json(raw: Mapping[str, Any]) -> FilePreview:
    shape = raw["shape"] and Shape(**{**raw["shape"], "tests": tuple(raw["shape"]["tests"])})
    return FilePreview(**{**raw, "shape": shape, "examples": [(prompt, answer) for prompt, answer in raw["examples"]]})


def _failed(config: DataSource, problem: str) -> FilePreview:
    return FilePreview(config.source, 0, [], [], None, [], [problem])


if __name__ == "__main__":
    raise SystemExit(main())
