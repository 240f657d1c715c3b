"""Tasks of the package reasoning-gym, made in a child process: it is heavy, and some of its tasks run for seconds.

A row has question, answer, and `entry`, the whole item that the package's own scorers need. Those are never called
here: some of them evaluate the text they judge.
"""

import importlib.util
import json
from typing import Any

from pydantic import ValidationError

from engine.child_answer import ask_child
from engine.config_data import GYM, DataSource
from engine.config_problems import closest, problems_from
from engine.config_section import Section, knob
from engine.data.files import add_rows, read_jsonl
from engine.data.table import Faults, Place, Row, Table, fail
from engine.seeds import derive_seed

PACKAGE = "reasoning_gym"
INSTALL = 'pip install --constraint constraints.txt --editable ".[gym]"'
TIMEOUT_S = 120.0


class GymParams(Section):
    size: int = knob(1000, "Rows that are made for training, beside the held-out ones.", label="Rows", ge=2, le=100_000)
    config: dict[str, Any] = knob({}, "Settings of the task, as reasoning-gym names them.", label="Task settings")


def gym_installed() -> bool:
    """Whether reasoning-gym is here. Nothing is imported."""
    return importlib.util.find_spec(PACKAGE) is not None


def gym_tasks(timeout_s: float = 30.0) -> list[str]:
    """The names of reasoning-gym's tasks; none when it is not installed. Takes about 2 s."""
    if not gym_installed():
        return []
    head, _ = _ask({"list": True}, timeout_s)
    return [str(name) for name in head.get("tasks", ())]


def gym_table(source: DataSource, held_out: int, seed: int, timeout_s: float = TIMEOUT_S) -> Table:
    """Rows of the task that `source` names, held-out ones included, the same for the same seed and package.

    Raises DatasetError when the package or the task is not here, when the task refuses its settings, or is too slow.
    """
    task = source.source.removeprefix(GYM).strip()
    try:
        params = GymParams.model_validate(dict(source.params))
    except ValidationError as error:
        first = problems_from(error, GymParams, "data.params")[0]
        fail(f"{first.field}: {first.message}", first.hint, first.field)
    if not gym_installed():
        fail(f"{source.source} needs the package reasoning-gym, which is not installed.", f"Install it: {INSTALL}")
    count, gym_seed = params.size + held_out, derive_seed(seed, 0, "reasoning-gym") % 2**31
    head, text = _ask({"task": task, "size": count, "seed": gym_seed, "config": params.config}, timeout_s)
    if "tasks" in head:
        hint = closest(task, head["tasks"]) or f"It has {', '.join(head['tasks'][:20])}, …"
        fail(f"reasoning-gym has no task '{task[:60]}'.", hint)
    if "error" in head:
        fail(f"{source.source} cannot be made: {head['error'][:300]}", "Correct its settings.", "data.params")
    rows, columns, faults = list[Row](), dict[str, None](), Faults()
    add_rows(Place(source.source, "row"), read_jsonl(text, task)[1], rows, columns, faults)
    return Table(source.source, list(columns), rows, faults)


def _ask(request: dict[str, Any], timeout_s: float) -> tuple[dict[str, Any], str]:
    """The child's first line, which says how it went, and its rows. Raises DatasetError when it gives no answer."""
    answer = ask_child("engine.data.gym_child", json.dumps(request), timeout_s=timeout_s)
    if not answer.in_time:
        fail(f"reasoning-gym took longer than {timeout_s:g} s to make the rows.", "Ask for fewer.", "data.params")
    first, _, rows = answer.output.partition("\n")
    try:
        head = json.loads(first)
    except ValueError:
        why = f"reasoning-gym ended with exit code {answer.exit_code}: {answer.last_words}"
        fail(why, "Ask for fewer rows, or others.")
    return head, rows
