"""Presets: each is a valid configuration that shows what its story says, and its data can be made."""

import json

import pytest

from engine.config_io import dump_config, parse_config, pass_reward, spelled_out
from engine.data.columns import preview_file
from engine.presets import PRESETS, preset, write_sums


@pytest.mark.parametrize("found", PRESETS, ids=lambda found: found.key)
def test_every_preset_is_a_valid_configuration_that_judges_right_and_wrong(found):
    assert parse_config(dump_config(found.config)) == spelled_out(found.config)
    assert pass_reward(found.config) is not None


def test_keys_and_names_are_unique():
    assert len({found.key for found in PRESETS}) == len({found.config.name for found in PRESETS}) == len(PRESETS)


def test_what_cannot_be_made_is_for_the_user_to_fill_in():
    from_files = {found.key for found in PRESETS if found.config.data.source != "arithmetic"}
    assert from_files == {found.key for found in PRESETS if found.make_data or "data.source" in found.fill_in}


def test_reward_hacking_trains_on_a_proxy_and_only_watches_the_truth():
    config = preset("reward-hacking").config
    assert {spec.name: spec.weight for spec in config.rewards} == {"regex_match": 1.0, "exact_match": 0.0}
    assert pass_reward(config) == "exact_match"


def test_an_unknown_preset_is_refused():
    with pytest.raises(KeyError):
        preset("spell")


def test_sums_are_right_and_the_same_for_the_same_seed(tmp_path):
    write_sums(tmp_path / "a.jsonl", n=50, seed=3)
    write_sums(tmp_path / "b.jsonl", n=50, seed=3)
    write_sums(tmp_path / "c.jsonl", n=50, seed=4)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert (tmp_path / "a.jsonl").read_bytes() != (tmp_path / "c.jsonl").read_bytes()
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert len({row["question"] for row in rows}) == 50
    assert all(sum(map(int, row["question"].split(" + "))) == int(row["answer"]) for row in rows)
    assert max(int(number) for row in rows for number in row["question"].split(" + ")) <= 20


def test_there_are_no_more_sums_than_pairs(tmp_path):
    write_sums(tmp_path / "all.jsonl", n=1000, largest=2)
    assert len((tmp_path / "all.jsonl").read_text().splitlines()) == 9


def test_the_columns_of_sums_are_found_by_name(tmp_path):
    write_sums(tmp_path / "sums.jsonl", n=5)
    preview = preview_file(str(tmp_path / "sums.jsonl"))
    assert (preview.prompt_column, preview.answer_column, preview.num_rows) == ("question", "answer", 5)
