"""The Compare page: answers, tested evaluations, and reward over KL, with the numbers of the stored runs."""

import re
import sqlite3
from contextlib import closing

from streamlit.testing.v1 import AppTest

from engine.runs.durable import write_atomic
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.store import StoreWriter
from tests.fakes import fake_config, write_fake_run
from tests.pages.comparing import choice, compared, figure, page_html, stored
from tests.pages.reading import boxes, charts_of, html_text, in_url, words
from tests.unit.runs import records


def test_the_difference_is_that_of_the_stored_values_with_the_better_run_first(short):
    write_fake_run(short, "third", steps=3, seed=2)
    app = compared("plain,other", view="evaluations")
    rates = {}
    for run in ("plain", "other"):
        reader = RunReader(RunPaths(short / run).db)
        prompts, _ = reader.evaluation_details(int(reader.evaluations()["step"].iloc[-1]))
        rates[run] = sum(prompts["right"]) / len(prompts["right"])
    better, worse = sorted(rates, key=rates.__getitem__, reverse=True)
    for page in (app, compared("other,plain", view="evaluations")):
        assert f"**{better}** is {100 * (rates[better] - rates[worse]):.1f} points above **{worse}**" in words(page)
    assert "Holm" not in words(app)
    assert words(compared("plain,other,third", view="evaluations")).count("after Holm for 3 comparisons") == 3


def test_completions_that_could_not_be_scored_are_told_with_their_run_and_evaluation(short):
    assert "could not be scored" not in words(compared("plain,other", view="evaluations"))
    with closing(sqlite3.connect(RunPaths(short / "plain").db)) as db, db:
        db.execute("UPDATE evaluations SET metrics = json_set(metrics, '$.undecided.value', 3) WHERE step > 0")
        (step,) = db.execute("SELECT max(step) FROM evaluations").fetchone()
    app = compared("plain,other", view="evaluations")
    said = f"**plain**, step {step}: 3 of 64 completions could not be scored; they are left out."
    assert said in words(app) and words(app).count("could not be scored") == 1
    assert "undecided" not in choice(app, "Test the difference in").options


def test_the_url_says_which_measure_is_tested_at_which_evaluation_and_nonsense_is_the_last_pass_rate(short):
    app = compared("plain,other", view="evaluations", measure="reward", moment="first")
    assert "Differences in total reward, first evaluation" in words(app)
    app = compared("plain,other", view="evaluations", measure="no", moment="never")
    assert "Differences in pass@1, last evaluation" in words(app)
    choice(app, "at the").set_value("best").run()
    assert (in_url(app, "measure"), in_url(app, "moment")) == ("pass_at_1", "best")
    assert "The best evaluation was chosen by these same prompts" in words(app)
    assert "Best: by pass@1, or by reward where nothing decides what is right." in words(app)


def test_runs_of_one_long_name_are_different_pairs_to_read_word_by_word(root):
    for run_id in ("first-1111", "second-2222", "third-3333"):
        write_fake_run(root, run_id, steps=2, config=fake_config(name="n" * 70, steps=2))
    app = compared("first-1111,second-2222,third-3333", view="answers")
    app.session_state["compare_words"] = True
    app.run()
    (box,) = (box for box in app.selectbox if box.label == "Runs")
    assert len(set(box.options)) == 3
    assert box.options[0].startswith("1 · ") and "1111" in box.options[0] and "2222" in box.options[0]


def test_shared_prompts_that_begin_alike_are_told_apart(root):
    for run_id in ("plain", "other"):
        with sqlite3.connect(write_fake_run(root, run_id, steps=2).db) as db:
            db.execute("UPDATE groups SET prompt = ? || prompt", ("x" * 100 + " ",))
    (box,) = (box for box in compared("plain,other", view="answers").selectbox if box.label.startswith("Prompt"))
    assert len({option.partition(" · ")[2] for option in box.options}) == len(box.options) > 1
    assert box.options[1].startswith("2 · …")


def without_evaluations(paths: RunPaths) -> None:
    with closing(sqlite3.connect(paths.db)) as db, db:
        db.execute("DELETE FROM evaluations")


def test_a_run_without_an_evaluation_is_not_measured_and_with_none_at_all_there_is_a_sentence(short):
    without_evaluations(RunPaths(short / "plain"))
    app = compared("plain,other", view="evaluations")
    assert html_text(app).count("plain not measured not measured not measured") == 2  # pass@1 and reward
    assert "pass@1 was not measured in both" in words(app)
    (chart,) = charts_of(compared("plain,other", metric="eval/pass_at_1"), "compare_charts").values()
    assert "Not measured in “plain”." in chart["note"]
    without_evaluations(RunPaths(short / "other"))
    assert "None of these runs has finished an evaluation so far." in words(compared("plain,other", view="evaluations"))
    (chart,) = charts_of(compared("plain,other", metric="eval/pass_at_1"), "compare_charts").values()
    assert chart["figure"] is None and chart["sentence"] == "Not measured in these runs so far."


def test_evaluations_that_are_damaged_are_told_and_do_not_break_the_page(short):
    with closing(sqlite3.connect(RunPaths(short / "plain").db)) as db, db:
        db.execute("UPDATE evaluations SET prompts = json_set(prompts, '$.right', json('[1]'))")
    assert "is damaged and cannot be compared" in words(compared("plain,other", view="evaluations"))


def test_prompts_that_no_two_runs_share_are_told(root):
    for seed, run in enumerate(("a", "b")):
        write_fake_run(root, run, steps=1, prompts=1, seed=seed)
    assert "No prompt was asked by all of these runs up to step 1." in words(compared("a,b", view="answers"))


def test_the_prompt_in_the_url_is_shown_and_one_that_is_none_is_not(short):
    write_fake_run(short, "twin", steps=4)  # the seed of "plain": the same prompts
    wanted = RunReader(RunPaths(short / "plain").db).groups(2).iloc[-1]
    app = compared("plain,twin", view="answers", step="2", prompt=wanted["prompt_id"])
    assert boxes(app)[0] == wanted["prompt"] and boxes(app)[1] == wanted["reference"]
    usual = compared("plain,twin", view="answers", step="2")
    other = compared("plain,twin", view="answers", step="2", prompt="none of them")
    assert boxes(other)[0] == boxes(usual)[0] != wanted["prompt"]
    assert compared("plain,twin", view="answers", step="999").number_input[0].value == 4


def test_an_answer_of_one_run_alone_is_marked(root):
    config = fake_config(name="x", steps=1)
    for run, texts in (("a", ("7", "8")), ("b", ("7", "9"))):
        paths = RunPaths(root / run)
        paths.root.mkdir()
        write_atomic(paths.config, config.model_copy(update={"name": run}).model_dump_json().encode())
        store = StoreWriter(paths.db)
        store.begin_attempt(0, {})
        scores = {"rewards": {"exact_match": 0.0, "digit_match": 0.5}, "total": 0.15, "advantage": 0.0}
        answers = [records.completion(text, passed=False, **scores) for text in texts]
        store.commit_step(records.step(1, groups=[records.group(completions=answers)]))
        store.end_attempt("finished")
        store.close()
    app = compared("a,b", view="answers")
    assert page_html(app).count('data-only="true"') == page_html(app).count('data-only="false"') == 2
    for text, where in (("7", "in every run"), ("8", "only here"), ("9", "only here")):
        assert f" {text} ✘ wrong · reward 0.150 · advantage 0.000 · {where}" in html_text(app)


def test_a_monitor_that_falls_while_the_reward_rises_is_told_with_its_numbers(short):
    # Smoothed with 0.9: a line that rises by 0.01 a step lags by 9 steps, 1.20 − 0.09; the monitor is near 0.9^80.
    write_gamed_run(short, "gamed")
    text = words(compared("plain,gamed", view="kl", smoothing="0.9"))
    assert "gamed: the monitor digit_match was at its best around step 40" in text.replace("\\", "")
    assert "Since then it fell from 1.000 to 0.00022, while the trained reward rose from 0.316 to 1.110" in text
    assert "plain: the monitor" not in text


def write_gamed_run(root, run: str) -> None:
    """40 and 80 steps: the monitor is 1 for the first and 0 for the others, the trained reward rises by 0.01 a step."""
    config = fake_config(name=run, steps=120)
    rewards = (config.rewards[0], config.rewards[1].model_copy(update={"weight": 0.0}))
    paths = RunPaths(root / run)
    paths.root.mkdir()
    write_atomic(paths.config, config.model_copy(update={"rewards": rewards}).model_dump_json().encode())
    store = StoreWriter(paths.db)
    store.begin_attempt(0, {})
    for step in range(1, 121):
        values = {"exact_match": step / 100, "digit_match": float(step <= 40)}
        groups = [records.group(completions=[records.completion(rewards=values, total=step / 100, advantage=0.0)])]
        metrics = {"reward": step / 100, "kl": step / 1000}
        store.commit_step(records.step(step, groups=groups, metrics=metrics))
    store.end_attempt("finished")
    store.close()


def test_without_a_monitor_the_view_says_what_one_is(short):
    assert "None of these runs has a monitor." in words(compared("plain,other", view="kl"))


def test_reward_over_kl_has_the_stored_numbers(short):
    whole = figure(compared("plain,other", view="kl", smoothing="0"), "reward-kl", "compare_kl")["data"][0]
    assert (whole["x"], whole["y"]) == (stored(short, "plain", "kl"), stored(short, "plain", "reward"))


def opened(app: AppTest, key: str) -> AppTest:
    """The page after a click on an expander."""
    app.session_state[key] = True
    return app.run()


def test_held_out_answers_of_both_runs_stand_in_one_row_of_each_prompt(short):
    app = opened(compared("plain,other", view="answers", step="3"), "compare_held_out")
    table = app.dataframe[0].value
    assert list(table.columns) == ["prompt", "reference answer", "plain, step 0", "other, step 3"]
    for column, run, step in ((2, "plain", 0), (3, "other", 3)):  # "plain" is evaluated at 0 and 4
        _, samples = RunReader(RunPaths(short / run).db).evaluation_details(step)
        for sample, cell in zip(samples, table.iloc[:, column], strict=True):
            first = sample["completions"][0]
            assert cell.startswith(f"{'✔' if first['passed'] else '✘'} {first['text']}")


def test_without_an_evaluation_up_to_the_step_there_is_a_sentence_in_place_of_held_out_answers(short):
    for run in ("plain", "other"):
        without_evaluations(RunPaths(short / run))
    app = opened(compared("plain,other", view="answers", step="3"), "compare_held_out")
    assert "None of these runs has been evaluated up to this step." in words(app)


def test_the_best_answers_of_two_runs_are_compared_word_by_word(short):
    write_fake_run(short, "twin", steps=4)
    app = opened(compared("plain,twin", view="answers", step="2"), "compare_words")
    assert re.search(r"plain, #\d+ \(\S+\) and twin, #\d+ \(\S+\) say exactly the same", words(app).replace("\\", ""))
