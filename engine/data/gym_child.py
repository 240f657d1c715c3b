"""`python -m engine.data.gym_child`: makes rows of a reasoning-gym task. The child of gym.py, which may end it.

Reads {task, size, seed, config} or {list} as JSON, and prints a line about how it went and then one for each row.
"""

import json
import resource
import sys
from contextlib import redirect_stdout
from typing import Any

MEMORY_BYTES = 4 * 2**30
OUTPUT_BYTES = 256 * 2**20


def main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    request, answer = json.load(sys.stdin), sys.stdout
    with redirect_stdout(sys.stderr):  # whatever the package prints, the answer stays lines of JSON
        head, rows = _answer(request)
    for line in (head, *rows):
        answer.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    return 0


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    import reasoning_gym
    from reasoning_gym.factory import DATASETS

    names = sorted(DATASETS)
    if request.get("list") or request["task"] not in names:
        return {"tasks": names}, []
    try:
        items = reasoning_gym.create_dataset(
            request["task"], seed=request["seed"], size=request["size"], **request["config"]
        )
        return {}, _rows(items, request["task"])
    except Exception as error:  # a task may raise anything for its settings; the caller says it in a sentence
        return {"error": f"{type(error).__name__}: {error}"}, []


def _rows(items: Any, task: str) -> list[dict[str, Any]]:
    """A row for each item. Where some have no answer, none gets one: their scorers judge without it."""
    entries = []
    size_bytes = 0
    for item in items:
        entry = json.loads(json.dumps(item, default=str))
        size_bytes += len(str(entry))
        if size_bytes > OUTPUT_BYTES:
            raise ValueError(f"the rows have more than {OUTPUT_BYTES:,} characters")
        entries.append(entry)
    has_answers = all(entry.get("answer") is not None for entry in entries)
    return [
        {
            "question": entry["question"],
            **({"answer": str(entry["answer"])} if has_answers else {}),
            "task": task,
            "entry": entry,
        }
        for entry in entries
    ]


if __name__ == "__main__":
    raise SystemExit(main())
