"""A run that TRL recorded, on every page: what was recorded is shown, and what was not is missing, never 0."""

import shutil
from pathlib import Path

import pytest

from engine.runs.imported import is_imported
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.trl.import_run import import_run
from tests.fakes import write_fake_run
from tests.pages.reading import buttons, html_text, open_page, words

RECORDED = Path(__file__).parents[1] / "trl_runs"
FOLDERS = ("two_rewards", "every_second", "reused", "chat")


@pytest.fixture(params=FOLDERS)
def imported(request, root) -> RunPaths:
    return RunPaths(root / import_run(root, RECORDED / request.param).run_id)


def test_every_page_opens_on_it(imported, root):
    run, step = imported.run_id, RunReader(imported.db).last_step()
    write_fake_run(root, "other", steps=3)
    pages: list[tuple[str, dict[str, str]]] = [("runs", {}), ("run", {"run": run}), ("groups", {"run": run})]
    pages += [("groups", {"run": run, "view": view, "q": "1"}) for view in ("search", "prompts", "tokens")]
    pages += [
        ("groups", {"run": run, "step": str(step), "group": "1", "panel": panel})
        for panel in ("tokens", "diff", "history", "what_if")
    ]
    pages += [
        ("compare", {"runs": f"{run},other", "view": view})
        for view in ("curves", "settings", "kl", "answers", "evaluations")
    ]
    for page, query in pages:
        app = open_page(page, **query)
        assert not app.exception, (page, query)
        assert not app.error, (page, query)


def test_it_is_called_imported_and_cannot_go_on(imported):
    assert is_imported(imported)
    app = open_page("run", run=imported.run_id)
    assert "imported" in html_text(app)
    assert not {"Resume", "Fork…", "Stop", "Clone"} & set(buttons(app))


def test_what_trl_does_not_record_is_missing_and_not_0(imported):
    reader = RunReader(imported.db)
    step = next(step for step in range(1, 9) if len(reader.groups(step)))
    completions = reader.completions(step)
    assert completions["length"].isna().all() and completions["finish_reason"].isna().all()
    assert completions["mean_kl"].isna().all()
    app = open_page("groups", run=imported.run_id, step=str(step))
    assert "TRL records the text of a completion and not its tokens" in words(app)


def test_groups_rewards_and_advantages_are_those_of_the_files(root):
    import pandas as pd

    paths = RunPaths(root / import_run(root, RECORDED / "two_rewards").run_id)
    file = pd.read_parquet(RECORDED / "two_rewards" / "completions" / "completions_00003.parquet")
    stored = RunReader(paths.db).completions(3)
    assert stored["text"].tolist() == file["completion"].tolist()
    assert stored["advantage"].tolist() == pytest.approx(file["advantage"].tolist(), abs=1e-7)
    for name in ("exact", "digits"):
        assert [row[name] for row in stored["rewards"]] == file[name].tolist()


def test_a_folder_that_is_a_run_already_is_not_imported_twice_and_a_broken_one_leaves_nothing(root, tmp_path_factory):
    from engine.errors import LabError

    first = import_run(root, RECORDED / "chat")
    with pytest.raises(LabError, match=first.run_id):
        import_run(root, RECORDED / "chat")
    broken = tmp_path_factory.mktemp("broken") / "run"
    shutil.copytree(RECORDED / "chat", broken)
    (broken / "completions" / "completions_00002.parquet").write_bytes(b"PAR1 and nothing else")
    before = sorted(path.name for path in root.iterdir())
    with pytest.raises(LabError, match="completions_00002"):
        import_run(root, broken)
    assert sorted(path.name for path in root.iterdir()) == before
