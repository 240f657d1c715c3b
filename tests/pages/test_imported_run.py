"""A run that TRL recorded, on every page: what was recorded is shown, and what was not is missing, never 0."""

import json
import shutil
from pathlib import Path

import pytest

from dashboard.views.import_run import AGAIN, FOLDER
from dashboard.views.imported_run import PROMISES
from engine.runs.imported import is_imported
from engine.runs.manage import delete_run, rename_run
from engine.runs.paths import RunPaths, list_runs
from engine.runs.reader import RunReader
from engine.trl.import_run import import_run
from tests.fakes import write_fake_run
from tests.pages.reading import buttons, component, html_text, open_page, words

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


def links(app) -> list[str]:
    return [element.proto.label for element in app.get("page_link")]


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_if_starts_no_run_from_settings_that_nobody_knows(root, folder):
    paths = RunPaths(root / import_run(root, RECORDED / folder).run_id)
    step = next(step for step in range(1, 9) if len(RunReader(paths.db).groups(step)))
    app = open_page("groups", run=paths.run_id, step=str(step), group="0", panel="what_if")
    assert "Reset" in buttons(app)  # the panel is there
    assert "Start a run with these settings" not in links(app)
    assert "one update per batch" not in words(app)  # in `reused` there were two


def test_what_if_does_start_one_from_a_run_of_our_own(root):
    write_fake_run(root, "own", steps=3)
    assert "Start a run with these settings" in links(open_page("groups", run="own", panel="what_if"))


def test_with_trl_s_config_what_if_says_what_epsilon_does(root):
    config = {"num_generations": 4, "per_device_train_batch_size": 16, "scale_rewards": "none"}
    run = import_run(root, RECORDED / "chat", config=config).run_id
    assert "one update per batch" in words(open_page("groups", run=run, step="1", group="0", panel="what_if"))


@pytest.mark.parametrize("how", ["clone", "fork"])
def test_the_form_does_not_take_its_settings_by_the_url(root, how):
    run = import_run(root, RECORDED / "two_rewards").run_id
    app = open_page("new_run", **{how: run, "step": "3"})
    assert not app.exception
    assert "cannot be trained here" in " ".join([html_text(app), *(text.value for text in app.text)])
    assert "two_rewards" not in [field.value for field in app.text_input]


def test_the_view_of_a_step_s_tokens_says_that_trl_records_none(root):
    run = import_run(root, RECORDED / "chat").run_id
    (info,) = open_page("groups", run=run, view="tokens").info
    assert info.value.startswith("TRL records the text of a completion and not its tokens")


def test_lengths_ends_and_kl_are_dashes_in_the_table(root):
    run = import_run(root, RECORDED / "two_rewards").run_id
    table = html_text(open_page("groups", run=run, step="1", group="0")).partition("tokens end KL entropy")[2]
    assert table.count("– – – –") == 4


def test_numbers_that_were_not_recorded_promise_no_measurement(root, tmp_path_factory):
    """Completions alone: no log, so no KL, entropy, loss or lengths."""
    folder = tmp_path_factory.mktemp("bare") / "bare"
    shutil.copytree(RECORDED / "two_rewards" / "completions", folder / "completions")
    app = open_page("run", run=import_run(root, folder).run_id)
    assert not app.exception and not app.error
    shown = json.dumps([component(app, key) for key in ("run_kpis", "run_charts")], ensure_ascii=False)
    assert "ot recorded" in shown
    for promise in PROMISES:
        assert promise not in shown


def test_a_run_of_numbers_alone_opens_on_every_view(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers") / "numbers"
    shutil.copytree(RECORDED / "two_rewards" / "checkpoint-6", folder / "checkpoint-6")
    run = import_run(root, folder).run_id
    for page, query in [("run", {}), *(("groups", {"view": view}) for view in ("step", "search", "prompts", "tokens"))]:
        app = open_page(page, run=run, **query)
        assert not app.exception and not app.error, (page, query)


def test_it_is_imported_from_the_page_runs_and_what_came_of_it_is_said(root):
    app = open_page("runs")
    app.text_input(key=FOLDER).set_value(str(RECORDED / "chat")).run()
    app.button(key="import_run.go").click().run()
    assert not app.exception
    assert "Open the run" in links(app) and "What was recorded" in words(app)
    app.button(key="import_run.go").click().run()
    assert [error.value for error in app.error] and "Open it" in links(app)
    app.checkbox(key=AGAIN).check().run()
    app.button(key="import_run.go").click().run()
    assert len(list_runs(root)) == 2


def test_it_is_renamed_and_deleted_on_the_page_runs(root):
    run = import_run(root, RECORDED / "chat").run_id
    rename_run(RunPaths(root / run), "Old TRL run")
    delete_run(root, RunPaths(root / run))
    app = open_page("runs")
    assert not app.exception and run in str([box.options for box in app.selectbox])


def test_the_form_offers_only_runs_of_our_own_to_clone(root):
    import_run(root, RECORDED / "chat")
    write_fake_run(root, "own", steps=3)
    (past,) = [box for box in open_page("new_run").selectbox if "own" in box.options]
    assert past.options == ["own"]


@pytest.mark.parametrize(("folder", "said"), [("reused", "; completions of 2 of them were recorded"), ("chat", "")])
def test_what_if_of_the_run_says_of_how_many_steps_there_are_completions(root, folder, said):
    run = import_run(root, RECORDED / folder).run_id
    app = open_page("groups", run=run, step="1", group="0", panel="what_if")
    (line,) = [markdown.value for markdown in app.markdown if "The whole run" in markdown.value]
    assert line.endswith(f" steps{said}")


def logged_with(tmp_path: Path, root: Path, **columns) -> str:
    """The id of a run whose groups have these columns, of 4 rows, beside their own."""
    import pandas as pd

    folder = tmp_path / "logged"
    shutil.copytree(RECORDED / "chat", folder)
    for path in (folder / "completions").glob("*.parquet"):
        rows = pd.read_parquet(path)
        rows.assign(
            **{name: [cells[row % 4] for row in range(len(rows))] for name, cells in columns.items()}
        ).to_parquet(path)
    return import_run(root, folder).run_id


def test_a_list_that_a_group_shares_is_shown_once_and_whole(root, tmp_path_factory):
    run = logged_with(tmp_path_factory.mktemp("lists"), root, topics=[["easy", "algebra"]] * 4)
    app = open_page("groups", run=run, step="1", group="0")
    assert not app.exception
    assert "topics: ['easy', 'algebra']" in [text.value for text in app.text]
    assert not [frame for frame in app.dataframe if "topics" in frame.value]


def test_columns_whose_names_begin_alike_are_all_shown(root, tmp_path_factory):
    name = "x" * 60
    cells = {f"{name}a": list("abcd"), f"{name}b": list("efgh"), f"{name}c": list("ijkl")}
    app = open_page("groups", run=logged_with(tmp_path_factory.mktemp("names"), root, **cells), step="1", group="0")
    (frame,) = [frame.value for frame in app.dataframe if frame.value.index.name == "completion"]
    assert {"".join(values) for _, values in frame.items()} == {"abcd", "efgh", "ijkl"}


def test_which_runs_have_the_same_data_is_not_known(root):
    """An import and the same one again: nobody says that they had the same data."""
    runs = [import_run(root, RECORDED / "chat", again=again).run_id for again in (False, True)]
    app = open_page("groups", run=runs[0], step="1", group="1", panel="history")
    app.session_state["history_runs"] = True
    said = words(app.run())
    assert not app.exception
    assert "it is not known which runs have the same" in said and "newest runs with the same data" not in said
