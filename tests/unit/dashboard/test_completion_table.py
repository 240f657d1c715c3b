import re

import pandas as pd

from dashboard.views.completion_table import by_reward, completion_table, pass_words
from engine.analysis.arithmetic import GDPO_WORDS, NO_STEP_WORDS
from engine.config_loss import LossConfig

NAN = float("nan")
WEIGHTS = {"exact": 1.0, "digits": 0.5, "style": 0.0}
LOSS = LossConfig()
GROUP = pd.Series({"mean": 0.75, "std": 0.5, "scale": 0.5, "discarded": None})


def row(index: int, text: str, rewards: dict, total: float, advantage: float, **more) -> dict:
    return {
        "completion_index": index, "text": text, "rewards": rewards, "errors": {}, "total": total,
        "advantage": advantage, "length": 3, "finish_reason": "eos", "mean_kl": 0.01, "mean_entropy": 0.5,
        "passed": NAN, "parsed": None, **more,
    }  # fmt: skip


def table(*rows: dict, group: pd.Series = GROUP, weights: dict = WEIGHTS, loss: LossConfig = LOSS) -> str:
    return completion_table(group, pd.DataFrame(rows), weights, loss)


GOOD = row(0, "85", {"exact": 1.0, "digits": 1.0, "style": 0.2}, 1.5, 1.4997, passed=1.0)
BAD = row(1, "75", {"exact": 0.0, "digits": 0.5, "style": 0.1}, 0.25, -0.9998, passed=0.0)


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_best_completion_comes_first():
    text = plain(table(BAD, GOOD))
    assert text.index("✔ right") < text.index("✘ wrong")


def test_each_advantage_has_its_arithmetic():
    text = plain(table(GOOD, BAD))
    assert "▲ +1.500 (1.500 − 0.750) / (0.500 + 0.0001) = +1.500" in text
    assert "▼ −1.000 (0.250 − 0.750) / (0.500 + 0.0001) = −1.000" in text


def test_the_total_is_written_as_weights_times_values_and_monitors_stand_apart():
    text = plain(table(GOOD, BAD))
    assert "1 × 1.000 + 0.5 × 1.000 style: 0.200" in text
    assert "style (monitor, not trained on)" in text


def test_what_a_gate_or_limit_changed_stands_beside_what_counts():
    gated = {**BAD, "rewards": {"exact": 0.0, "digits": 0.0, "style": 0.1}, "raw": {"digits": 0.5}}
    assert "digits gave 0.500, and counts as 0.000" in plain(table(gated, {**GOOD, "raw": {}}))


def test_bars_are_as_long_as_their_share_of_the_best():
    widths = re.findall(r"width:([\d.]+)%", table(GOOD, BAD))
    assert widths == ["66.7", "33.3", "16.7"]  # 1 and 0.5 of 1.5; 0.25 of 1.5


def test_a_penalty_points_to_the_left():
    html = table(row(0, "a", {"exact": 1.0, "length": 1.0}, 0.5, 0.1), weights={"exact": 1.0, "length": -0.5})
    assert re.search(r'lab-bar-minus"><i style="width:50.0%', html)


def test_a_missing_reward_says_why():
    failed = row(0, "a", {"exact": None, "digits": 1.0, "style": 0.0}, 0.5, 0.0, errors={"exact": "timed out <b>"})
    assert "exact is missing: timed out &lt;b&gt;" in table(failed, BAD)


def test_text_is_escaped_and_control_characters_are_seen():
    html = table(row(0, "<img src=x onerror=alert(1)>\x00", {"exact": 0.0}, 0.0, 0.0), weights={"<b>": 1.0})
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;␀" in html
    assert "&lt;b&gt;" in html


def test_a_very_long_text_keeps_its_beginning_and_its_end():
    html = table(row(0, "first" + "x" * 4989 + "#### 5", {"exact": 0.0}, 0.0, 0.0))
    assert "3,500 of 5,000 characters left out" in html
    assert (html.count(">first"), html.count("#### 5<")) == (1, 1)


def test_long_texts_stand_below_their_numbers_in_the_whole_width():
    long = row(1, "step " * 40, {"exact": 0.0}, 0.0, 0.0)
    assert table(GOOD, long).count('colspan="8"') == 2
    assert "colspan" not in table(GOOD, BAD)


def test_what_the_reward_read_is_shown_when_it_is_not_the_text():
    assert "read as 85" in table(row(0, "so it is 85", {"exact": 1.0}, 1.0, 0.0, parsed="85"))
    assert "read as" not in table(row(0, "85 ", {"exact": 1.0}, 1.0, 0.0, parsed="85"))


def test_a_dead_group_gives_its_reason_and_an_undivided_one_no_division():
    dead = table(row(0, "a", {"exact": 1.0}, 1.0, 0.0), row(1, "b", {"exact": 1.0}, 1.0, 0.0))
    assert dead.count("all rewards of the group are equal, so advantage 0") == 2
    undivided = table(GOOD, BAD, group=pd.Series({**GROUP, "scale": NAN}))
    assert "1.500 − 0.750 = +1.500" in undivided


def test_other_baselines_and_step_scores_have_their_own_words():
    others = plain(table(GOOD, BAD, loss=LossConfig(baseline="leave_one_out")))
    assert "(1.500 − 0.250) / (0.500 + 0.0001) = +1.500" in others
    assert GDPO_WORDS in plain(table(GOOD, BAD, loss=LossConfig(multi_objective_aggregation="normalize_then_sum")))
    stepwise = row(0, "85", {"digit_steps": 0.5}, 0.5, 0.1, steps={"digit_steps": [(0, 1.0), (1, 0.0)]})
    assert "steps digit_steps: 1, 0." in plain(table(stepwise, weights={"digit_steps": 1.0}))
    assert "steps digit_steps" not in plain(table(stepwise, weights={"digit_steps": 0.0}))  # a monitor moves nothing


def test_a_completion_without_steps_or_rewards_among_others_gets_no_arithmetic_that_is_not_its_own():
    weights = {"exact": 1.0, "digit_steps": 1.0}
    stepwise = row(0, "85", {"exact": 1.0, "digit_steps": 0.5}, 1.5, 0.1, steps={"digit_steps": [(0, 1.0), (1, 0.0)]})
    without = row(1, "?", {"exact": 0.0, "digit_steps": None}, 0.0, -0.7, steps=None)
    text = plain(table(stepwise, without, weights=weights))
    assert f"▼ −0.700 {NO_STEP_WORDS}" in text and "(0.000 − 0.750)" not in text
    missing = row(1, "?", {"exact": None}, NAN, 0.0)
    gdpo = plain(table(GOOD, missing, loss=LossConfig(multi_objective_aggregation="normalize_then_sum")))
    assert "● 0 no reward, so advantage 0" in gdpo


def test_in_a_discarded_group_every_advantage_is_zero_because_of_that():
    group = pd.Series({**GROUP, "discarded": "masked", "scale": NAN})
    text = plain(table({**GOOD, "advantage": 0.0}, {**BAD, "advantage": 0.0}, group=group))
    assert text.count("● 0 the group was discarded, so advantage 0") == 2


def test_missing_totals_come_last():
    frame = pd.DataFrame({"total": [NAN, 0.1, 0.9]})
    assert by_reward(frame).index.tolist() == [2, 1, 0]


def test_right_answers_are_counted_where_something_decides():
    assert pass_words(pd.DataFrame({"passed": [1.0, 0.0, NAN, 1.0]})) == "2 of 3 right (67 %)"
    assert pass_words(pd.DataFrame({"passed": [NAN]})) == ""


def test_the_table_has_a_name_and_its_headings_stand_as_their_cells():
    html = table(GOOD, BAD)
    assert 'aria-label="Completions of this group"' in html
    headings = re.findall(r'<th scope="col" class="([^"]*)">([^<]*)</th>', html)
    row_html = html.partition("<tbody>")[2].partition("</tr>")[0]
    cells = re.findall(r'<td(?: class="([^"]*)")?>', row_html)
    assert len(headings) == len(cells) == 9
    for (of_heading, name), of_cell in zip(headings, cells, strict=True):
        assert ("lab-right" in of_heading) == ("lab-right" in of_cell), name
