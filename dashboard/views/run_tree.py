"""In which order the list shows its runs, and whose child each is: pinned ones first, or as a tree. Pure."""

from collections.abc import Collection, Mapping, Sequence

from dashboard.text import one_line
from dashboard.views.run_table import RunRow
from engine.runs.lineage import parent_of, tree

BRANCH = "└ "
INDENT = "\u2003"  # as wide as the branch sign, and not trimmed
MAX_DEPTH = 8
NAME_LIMIT = 60


def pinned_first(rows: Sequence[RunRow]) -> list[RunRow]:
    """The rows in their order, those that are pinned before the others."""
    return sorted(rows, key=lambda row: not row.notes.pinned)


def as_tree(rows: Sequence[RunRow]) -> tuple[list[RunRow], dict[str, str]]:
    """Each row below its parent, as far as that is among the rows; and run id → what stands before its name."""
    by_id = {row.run_id: row for row in rows}
    places = tree({row.run_id: row.origin for row in pinned_first(rows)})
    marks = {place.run_id: branch(place.depth) for place in places}
    return [by_id[place.run_id] for place in places], marks


def branch(depth: int) -> str:
    """The mark of a run at this depth; a very deep one says how deep it is instead of leaving the column."""
    if depth == 0:
        return ""
    return f"{INDENT * (depth - 1)}{BRANCH}" if depth <= MAX_DEPTH else f"{INDENT * (MAX_DEPTH - 1)}{BRANCH}({depth}) "


def parent_words(row: RunRow, names: Mapping[str, str], trashed: Collection[str]) -> str:
    """Where the run came from: the parent's name of today, else of then, and the step. `names`: run id → name."""
    origin = row.origin
    if origin is None:
        return ""
    then = origin.parent_name or origin.parent
    parent = parent_of(origin)
    if parent is None:
        return f"imported from {one_line(then, NAME_LIMIT)}"
    where = "" if parent in names else " (in the trash)" if parent in trashed else " (deleted)"
    how = f", step {origin.step:,}" if origin.kind == "fork" else ", clone"
    return f"{one_line(names.get(parent, then), NAME_LIMIT)}{how}{where}"
