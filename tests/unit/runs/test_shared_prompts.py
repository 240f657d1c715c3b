"""The prompts that several runs have asked: at one step, or each at the nearest one before."""

import math

import pytest

from engine.runs.reader import RunReader
from engine.runs.shared_prompts import (
    LOOK_BACK,
    MOST,
    Asked,
    SharedPrompt,
    newest_common_step,
    shared_prompt,
    shared_prompts,
)
from engine.runs.store import StoreWriter
from tests.unit.runs.records import completion, group, step

RIGHT, WRONG = completion(passed=True), completion("4", passed=False)


def asked(prompt: str, rights: int = 2, mean: float = 1.0, **changes):
    """A group of two completions of which `rights` are right."""
    completions = [RIGHT if place < rights else WRONG for place in range(2)]
    return group(prompt_id=prompt, prompt=f"{prompt}=", mean=mean, completions=completions, **changes)


@pytest.fixture
def run(tmp_path):
    """Makes a run from the groups of its steps 1, 2, …"""

    def make(name, *steps):
        with_name = tmp_path / f"{name}.db"
        store = StoreWriter(with_name)
        store.begin_attempt(0, {})
        for number, groups in enumerate(steps, 1):
            store.commit_step(step(number, groups=groups))
        store.close()
        return RunReader(with_name)

    return make


def ids(found):
    return [one.prompt_id for one in found]


def test_the_prompts_that_all_asked_at_the_step_come_where_they_differ_most_first(run):
    a = run("a", [asked("near", 2), asked("far", 2), asked("mine", 2)])
    b = run("b", [asked("far", 0), asked("yours", 2), asked("near", 1)])
    found = shared_prompts([a, b], 1)
    assert ids(found) == ["far", "near"] and [one.spread for one in found] == [1.0, 0.5]
    assert found[0] == SharedPrompt("far", "far=", "9", (Asked(1, 1, 1.0, 1.0), Asked(1, 0, 1.0, 0.0)))


def test_a_prompt_asked_twice_in_a_step_counts_once_with_its_first_group(run):
    a = run("a", [asked("p", 2), asked("p", 0)])
    (found,) = shared_prompts([a, run("b", [asked("p", 1)])], 1)
    assert (found.asked[0].group_index, found.asked[0].pass_rate) == (0, 1.0)


def test_when_none_was_asked_at_the_same_step_the_nearest_before_are_offered(run):
    a = run("a", [asked("p")], [asked("q")], [asked("r")])
    b = run("b", [asked("s")], [asked("p")], [asked("t")])
    (found,) = shared_prompts([a, b], 3)
    assert (found.prompt_id, found.asked[0].step, found.asked[1].step) == ("p", 1, 2)
    assert shared_prompts([a, b], 1) == []  # the other asks it later


def test_prompts_of_a_run_that_is_behind_are_compared_with_the_newest_of_the_others(run):
    a = run("a", [asked("p")], [asked("p")], [asked("q")])
    b = run("b", [asked("p")])
    assert newest_common_step([a, b]) == 1
    (found,) = shared_prompts([a, b], 3)
    assert [one.step for one in found.asked] == [2, 1]


def test_how_far_another_run_is_ahead_does_not_matter(run):
    far = run("far", [asked("p")], *([asked(f"q{step}")] for step in range(LOOK_BACK + 5)))
    (found,) = shared_prompts([far, run("near", [asked("p")])], LOOK_BACK + 6)
    assert [one.step for one in found.asked] == [1, 1]


def test_one_prompt_is_found_at_the_nearest_step_of_each_run(run):
    a = run("a", [asked("p", 2)], [asked("q")], [asked("p", 0)])
    b = run("b", [asked("r")], [asked("p", 1)], [asked("r")])
    found = shared_prompt([a, b], "p", 2)
    assert [(one.step, one.pass_rate) for one in found.asked] == [(1, 1.0), (2, 0.5)]
    assert shared_prompt([a, b], "p", 1) is None and shared_prompt([a, b], "nowhere", 3) is None


def test_where_nothing_decides_the_spread_is_of_mean_rewards_and_unknown_ones_come_last(run):
    def undecided(name, mean):
        return group(prompt_id=name, mean=mean, completions=[completion(passed=None)])

    a = run("a", [undecided("u", math.nan), undecided("m", 1.5)])
    b = run("b", [undecided("u", 1.0), undecided("m", 1.0)])
    found = shared_prompts([a, b], 1)
    assert ids(found) == ["m", "u"] and [one.spread for one in found] == [0.5, -1.0]
    assert math.isnan(found[0].asked[0].pass_rate)


def test_a_missing_reference_is_none(run):
    readers = [run(name, [asked("p", reference=None)]) for name in "ab"]
    assert shared_prompts(readers, 1)[0].reference is None


def test_of_many_shared_prompts_so_many_are_offered_and_runs_without_steps_have_none(run):
    many = [asked(f"p{i}") for i in range(MOST + 5)]
    assert len(shared_prompts([run("a", many), run("b", many)], 1)) == MOST
    empty = run("empty")
    assert newest_common_step([empty]) == newest_common_step([]) == 0
    assert shared_prompt([empty, empty], "p", 1) is None
