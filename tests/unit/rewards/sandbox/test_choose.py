"""Which sandbox is taken, and what is said when none is."""

from collections.abc import Mapping

import pytest

from engine.rewards.sandbox import Confined, Limits, SandboxFailed, SandboxUnavailable, choose
from engine.rewards.sandbox.__main__ import table
from engine.rewards.sandbox.backends import Bubblewrap
from engine.rewards.sandbox.choose import Report, _advice, _first_that_holds, examine
from engine.rewards.sandbox.suite import Result


class Failing:
    name = "failing"

    def start(self, files: Mapping[str, str], limits: Limits) -> Confined:
        raise SandboxFailed("The sandbox could not be set up: failed: enter: not permitted.")


class Holding(Failing):
    name = "holding"


def held(sandbox: object) -> list[Result]:
    if isinstance(sandbox, Holding):
        return [Result("Read a file outside", True, "", 0.1)]
    return [Result("Read a file outside", False, "it read the secret", 0.1)]


def test_the_first_that_withstands_everything_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "run_suite", held)
    holding = Holding()
    assert _first_that_holds([Failing(), holding, Holding()]) is holding


def test_one_attack_that_succeeds_is_a_reason_and_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "run_suite", held)
    found = _first_that_holds([Failing()])
    assert isinstance(found, SandboxUnavailable)
    assert found.reasons == {"failing": "Read a file outside: it read the secret."}
    assert "failing: Read a file outside: it read the secret." in str(found) and "docs/sandbox.md" in str(found)


def test_one_that_cannot_be_set_up_says_what_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"kernel/apparmor_restrict_unprivileged_userns": "1"}
    monkeypatch.setattr(choose, "_setting", lambda name: settings.get(name, ""))
    reason = examine(Failing()).reason
    assert reason.startswith("The sandbox could not be set up: failed: enter: not permitted. AppArmor forbids user")


@pytest.mark.parametrize("name", ["kernel/unprivileged_userns_clone", "user/max_user_namespaces"])
def test_namespaces_that_are_switched_off_are_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "_setting", lambda asked: "0" if asked == name else "")
    assert name.replace("/", ".") in _advice()


def test_bubblewrap_that_is_not_installed_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert (
        examine(Bubblewrap()).reason
        == "The program bwrap is not installed; most systems have it as the package bubblewrap."
    )


def test_a_machine_whose_system_calls_are_unknown_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "MACHINES", ("pdp11",))
    assert "knows pdp11, and this machine is" in examine(Holding()).reason


def test_the_choice_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "_CHOSEN", [])
    monkeypatch.setattr(choose, "BACKENDS", [Failing()])
    for _ in range(2):
        with pytest.raises(SandboxUnavailable, match="not permitted"):
            choose.choose_sandbox()
    reason = choose.why_unavailable()
    assert reason is not None and "not permitted" in reason
    monkeypatch.setattr(choose, "run_suite", held)
    monkeypatch.setattr(choose, "BACKENDS", [Holding()])
    assert choose.why_unavailable() == reason


def test_the_table_has_a_line_for_each_attack_and_a_reason_for_each_that_is_not_used() -> None:
    results = [Result("Read", True, "", 0.1), Result("Write", False, "it made a file", 0.1)]
    reports = [Report("namespaces", results, "Write: it made a file.", 1.5), Report("bubblewrap", [], "Not here.", 0)]
    assert table(reports) == [
        "attack    namespaces    bubblewrap",
        "Read       withstood             -",
        "Write         FAILED             -",
        "seconds          1.50          0.00",
        "namespaces is not used. Write: it made a file.",
        "bubblewrap is not used. Not here.",
    ]
