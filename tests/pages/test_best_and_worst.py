"""The Groups page: the best and the worst completion of a step, what the keys are told, and the way back."""

from engine.runs.reader import RunReader
from tests.fakes import write_fake_run
from tests.pages.reading import component, in_url, open_page


def test_the_best_and_the_worst_of_the_newest_step_are_one_click_away(root):
    reader = RunReader(write_fake_run(root, "done", steps=5).db)
    totals = reader.completions(5).set_index(["group_index", "completion_index"])["total"]
    for word, wanted in (("Best", totals.max()), ("Worst", totals.min())):
        app = open_page("groups", run="done")
        (button,) = (button for button in app.button if button.label.startswith(f"{word} of the step: {wanted:.3f}"))
        button.click().run()
        step, group, place = (int(in_url(app, key)) for key in ("step", "group", "completion"))
        assert (step, totals[group - 1, place - 1]) == (5, wanted)
        assert app.selectbox[0].value == place - 1


def test_a_step_without_any_reward_has_no_best(root):
    paths = write_fake_run(root, "done", steps=3, prompts=1)  # its only group is the one whose rewards failed
    assert RunReader(paths.db).groups(3)["kind"].tolist() == ["failed"]
    app = open_page("groups", run="done", step="3")
    assert not app.exception
    assert not [button for button in app.button if "of the step" in button.label]


def test_keys_move_in_the_order_of_the_list_and_within_its_filter(root):
    write_fake_run(root, "done", steps=5)
    app = open_page("groups", run="done", step="3", group="2")
    for chosen in ("every group", "mixed"):
        app.session_state["group_filter"] = chosen
        app.run()
        told, rows = component(app, "keys"), component(app, "groups_list")["rows"]
        assert told["groups"] == [row["group"] for row in rows]
    assert (told["step"], told["newest"], told["group"], told["follow"]) == (3, 5, 2, False)


def test_keys_move_through_completions_by_reward_where_a_panel_shows_one(root):
    reader = RunReader(write_fake_run(root, "done", steps=5).db)
    app = open_page("groups", run="done", step="3", group="2", completion="5")
    order = reader.completions(3, 1).sort_values("total", ascending=False, kind="stable")["completion_index"] + 1
    assert component(app, "keys")["completions"] == order.tolist()
    assert component(app, "keys")["completion"] == 5
    app.query_params["panel"] = "history"
    app.run()
    assert component(app, "keys")["has"] == ["group", "search"]


def test_the_run_page_moves_through_steps_alone(root):
    write_fake_run(root, "done", steps=5)
    told = component(open_page("run", run="done", step="2"), "keys")
    assert (told["step"], told["newest"], told["has"]) == (2, 5, [])


def way_back(run, **query):
    """The link to the run's page."""
    (link,) = [link for link in open_page("groups", run=run, **query).get("page_link") if "Back" in link.proto.label]
    return link


def test_the_way_back_keeps_a_step_that_was_chosen_and_goes_on_following_otherwise(root):
    write_fake_run(root, "done", steps=5)
    for query, wanted in ({"step": "2"}, "step=2"), ({}, None), ({"step": "2", "view": "prompts"}, "step=2"):
        link = way_back("done", **query)
        assert (wanted in link.proto.query_string) if wanted else ("step" not in link.proto.query_string)


def test_the_page_of_a_run_without_a_step_has_a_way_back(root):
    write_fake_run(root, "young", steps=0, outcome="stopped")
    assert way_back("young").proto.label == "Back to the run"
