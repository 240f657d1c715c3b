"""Where runs came from: what is written is read again, and the tree survives deleted parents and edited files."""

from pathlib import Path

import pytest

from engine.runs.lineage import Origin, Place, ancestors, children, parse_origin, read_origin, tree, write_origin
from engine.runs.paths import RunPaths


def fork(parent: str, step: int = 5) -> Origin:
    return Origin("fork", parent, step)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    origin = Origin("fork", "parent-1", 50, "learn to add", ("loss.beta", "optim.max_steps"))
    write_origin(tmp_path / "origin.json", origin)
    assert read_origin(RunPaths(tmp_path)) == origin


def test_a_run_without_the_file_has_no_origin(tmp_path: Path) -> None:
    assert read_origin(RunPaths(tmp_path)) is None


def test_children_stand_below_their_parent_in_the_order_given() -> None:
    known = {"c": fork("a"), "b": Origin("clone", "a"), "d": fork("b"), "a": None, "z": None}
    assert tree(known) == [Place("a", 0), Place("c", 1), Place("b", 1), Place("d", 2), Place("z", 0)]
    assert [child for child, _ in children("a", known)] == ["c", "b"]
    assert ancestors("d", known) == [("b", known["d"]), ("a", known["b"])]


def test_a_run_whose_parent_is_gone_stands_alone_and_is_marked() -> None:
    known = {"b": fork("gone"), "c": fork("b")}
    assert tree(known) == [Place("b", 0, lost=True), Place("c", 1)]
    assert ancestors("c", known) == [("b", known["c"]), ("gone", known["b"])]


def test_an_import_has_no_parent_to_be_lost() -> None:
    known = {"i": Origin("import", "", parent_name="completions.parquet")}
    assert tree(known) == [Place("i", 0)] and ancestors("i", known) == []


def test_circles_that_edited_files_make_list_every_run_once() -> None:
    known = {"a": fork("b"), "b": fork("c"), "c": fork("a"), "self": fork("self"), "child": fork("b")}
    assert tree(known) == [Place("a", 0), Place("c", 1), Place("b", 2), Place("child", 3), Place("self", 0)]
    assert [run for run, _ in ancestors("a", known)] == ["b", "c"]


def test_a_chain_longer_than_the_stack_is_walked() -> None:
    known: dict[str, Origin | None] = {"r0": None, **{f"r{n}": fork(f"r{n - 1}") for n in range(1, 3001)}}
    assert tree(known)[-1] == Place("r3000", 3000)
    assert len(ancestors("r3000", known)) == 3000


@pytest.mark.parametrize(
    "raw",
    [
        None, [], "fork", {}, {"kind": "fork"}, {"kind": "theft", "parent": "a"}, {"kind": "fork", "parent": 7},
        {"kind": "fork", "parent": "../../etc", "step": 5}, {"kind": "fork", "parent": "", "step": 5},
        {"kind": "fork", "parent": "a"}, {"kind": "fork", "parent": "a", "step": 0},
        {"kind": "fork", "parent": "a", "step": True}, {"kind": "fork", "parent": "a", "step": -5},
        {"kind": "fork", "parent": "a", "step": 2.5}, {"kind": "fork", "parent": "a", "step": 10**40},
        {"kind": "clone", "parent": "a", "step": 3}, {"kind": "clone", "parent": "a", "parent_name": ["x"]},
    ],
)  # fmt: skip
def test_what_is_no_origin_is_none(raw: object) -> None:
    assert parse_origin(raw) is None


def test_long_names_and_odd_fields_are_cut_to_what_can_be_shown() -> None:
    raw = {"kind": "fork", "parent": "a", "step": 1, "parent_name": "x" * 10**6, "changed": ["loss.beta", 7, None]}
    origin = parse_origin(raw)
    assert origin is not None and len(origin.parent_name) == 200 and origin.changed == ("loss.beta",)
