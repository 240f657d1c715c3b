"""Where a run came from: origin.json beside its configuration, and the tree that all runs make together.

The file is written before the run can be seen and never again. What it says of the parent is what was true then: the
parent may be renamed or deleted, and people edit files, so every reader takes what it finds with care.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from engine.runs.durable import read_small_json, write_atomic
from engine.runs.paths import RunPaths, is_valid_run_id

Kind = Literal["fork", "clone", "import"]

MAX_BYTES = 256 * 1024
MAX_NAME = 200
MAX_CHANGED = 500
MAX_STEP = 10**9


@dataclass(frozen=True)
class Origin:
    """A fork goes on from the checkpoint of `step` of the run `parent`; a clone has its settings and begins at step 0.

    An import has no parent: `parent_name` is what was imported. `changed` are the dotted settings, the name left
    out, that differ from the parent's; of a fork from those that its checkpoint was made with.
    """

    kind: Kind
    parent: str
    step: int = 0
    parent_name: str = ""
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where a run stands in the tree. `lost`: it has a parent that is not among the runs."""

    run_id: str
    depth: int
    lost: bool = False


def write_origin(path: Path, origin: Origin) -> None:
    """Write an origin.json, durably."""
    write_atomic(path, (json.dumps(asdict(origin), indent=2) + "\n").encode())


def read_origin(paths: RunPaths) -> Origin | None:
    """What origin.json says; None when there is none, or it is not of this form."""
    return parse_origin(read_small_json(paths.origin, MAX_BYTES))


def parse_origin(raw: Any) -> Origin | None:
    """An Origin from parsed JSON, or None if it is none. Further keys are ignored."""
    match raw:
        case {"kind": "fork" | "clone" | "import" as kind, "parent": str(parent)}:
            step, name, changed = raw.get("step", 0), raw.get("parent_name", ""), raw.get("changed", [])
        case _:
            return None
    if type(step) is not int or not 0 <= step <= MAX_STEP or not isinstance(name, str):
        return None
    if (kind != "import" and not is_valid_run_id(parent)) or (kind == "fork") != (step > 0):
        return None
    fields = [field for field in changed if isinstance(field, str)] if isinstance(changed, list) else []
    return Origin(kind, parent[:MAX_NAME], step, name[:MAX_NAME], tuple(fields[:MAX_CHANGED]))


def origins(runs: Iterable[RunPaths]) -> dict[str, Origin | None]:
    """Run id → where it came from, in the order of the runs."""
    return {paths.run_id: read_origin(paths) for paths in runs}


def tree(known: Mapping[str, Origin | None]) -> list[Place]:
    """All runs, each below its parent; siblings, and runs without a parent, in the order given.

    A run whose parent is not there stands at depth 0 and is `lost`. Of runs that edited files make each other's
    parents, the first one given stands at depth 0.
    """
    below: dict[str, list[str]] = {}
    roots: list[str] = []
    heads = _circle_heads(known)
    for run_id, origin in known.items():
        parent = parent_of(origin)
        if parent is None or parent not in known or run_id in heads:
            roots.append(run_id)
        else:
            below.setdefault(parent, []).append(run_id)
    return list(_walk(roots, below, known))


def children(run_id: str, known: Mapping[str, Origin | None]) -> list[tuple[str, Origin]]:
    """(run id, origin) of the runs that came from this one, in the order given."""
    return [(child, origin) for child, origin in known.items() if origin is not None and parent_of(origin) == run_id]


def ancestors(run_id: str, known: Mapping[str, Origin | None]) -> list[tuple[str, Origin]]:
    """(parent's id, how the run below came from it), the nearest first, as far as the files tell; cycles end.

    The last parent named may no longer be among the runs.
    """
    found: list[tuple[str, Origin]] = []
    seen, here = {run_id}, known.get(run_id)
    while here is not None and (parent := parent_of(here)) is not None and parent not in seen:
        found.append((parent, here))
        seen.add(parent)
        here = known.get(parent)
    return found


def parent_of(origin: Origin | None) -> str | None:
    """The run that a run came from; None for one that came from none."""
    return None if origin is None or origin.kind == "import" else origin.parent


def _circle_heads(known: Mapping[str, Origin | None]) -> set[str]:
    """Of each circle of parents, the run that is given first."""
    order = {run_id: place for place, run_id in enumerate(known)}
    heads: set[str] = set()
    done: set[str] = set()
    for run_id in known:
        path: dict[str, int] = {}
        here: str | None = run_id
        while here is not None and here in known and here not in done and here not in path:
            path[here] = len(path)
            here = parent_of(known[here])
        if here in path:
            heads.add(min(list(path)[path[here] :], key=order.__getitem__))
        done |= path.keys()
    return heads


def _walk(roots: Sequence[str], below: Mapping[str, list[str]], known: Mapping[str, Origin | None]) -> Iterable[Place]:
    """Depth first, without recursion: a chain of forks may be longer than Python's stack."""
    waiting = [(run_id, 0) for run_id in reversed(roots)]
    while waiting:
        run_id, depth = waiting.pop()
        parent = parent_of(known[run_id])
        yield Place(run_id, depth, lost=parent is not None and parent not in known)
        waiting += [(child, depth + 1) for child in reversed(below.get(run_id, []))]
