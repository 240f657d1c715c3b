"""Presets: each is a valid configuration that shows what its story says, and its data can be made."""

import json
import re
from pathlib import Path

import pytest

from engine.check_client import check_in_child
from engine.config import RunConfig
from engine.config_io import dump_config, flatten, parse_config, pass_reward, spelled_out
from engine.data.columns import preview_file
from engine.presets import PRESETS, Preset, preset, write_backwards, write_sums

PAGE = (Path(__file__).parents[2] / "docs" / "presets.md").read_text()
PARTS = ("The question.", "What matters.", "What to look at.", "The answer.", "Change next.")


def with_data(found: Preset, folder: Path) -> RunConfig:
    """The preset's configuration with the file that it reads: made, or 60 rows like those of GSM8K."""
    if found.make_data is None and "data.source" not in found.fill_in:
        return found.config
    path = folder / "data.jsonl"
    row = '{"question": "Ann has %d pens and gets 2. How many?", "answer": "%d + 2 = %d\\n#### %d"}\n'
    path.write_text("".join(row % (n, n, n + 2, n + 2) for n in range(60)))
    if found.make_data is not None:
        found.make_data(path)
    return found.config.model_copy(update={"data": found.config.data.model_copy(update={"source": str(path)})})


@pytest.mark.parametrize("found", PRESETS, ids=lambda found: found.key)
def test_every_preset_is_a_valid_configuration_that_judges_right_and_wrong(found):
    assert parse_config(dump_config(found.config)) == spelled_out(found.config)
    assert pass_reward(found.config) is not None


@pytest.mark.slow  # a child process for each
@pytest.mark.parametrize("found", PRESETS, ids=lambda found: found.key)
def test_every_preset_passes_the_check_before_a_run(found, tmp_path):
    check = check_in_child(with_data(found, tmp_path), timeout_s=120)
    assert check.problems == ()
    assert [preview.reference for preview in check.previews if not preview.reference] == []
    assert len(check.previews) > 0


@pytest.mark.parametrize("found", PRESETS, ids=lambda found: found.key)
def test_the_page_answers_the_question_of_every_preset(found):
    section = re.split(r"^## ", PAGE, flags=re.M)[1 + [each.key for each in PRESETS].index(found.key)]
    assert section.startswith(f"{found.title}\n")
    assert [part for part in PARTS if f"**{part}**" not in section] == []
    assert f"(preset-{found.key}.png)" in section


def test_every_setting_that_the_page_names_exists():
    named = set(re.findall(r"`((?:model|data|rewards|rollout|loss|optim|evaluation|checkpoint)[.[][^`\s=]*)", PAGE))
    known = {name for found in PRESETS for name in flatten(found.config)}
    assert named <= known
    assert {"loss.beta", "rewards[1].gate", "rewards[1].weight"} <= named


def test_what_is_to_be_filled_in_exists():
    assert {name for found in PRESETS for name in found.fill_in if name not in flatten(found.config)} == set()


def test_keys_and_names_are_unique():
    assert len({found.key for found in PRESETS}) == len({found.config.name for found in PRESETS}) == len(PRESETS)


def test_what_cannot_be_made_is_for_the_user_to_fill_in():
    from_files = {found.key for found in PRESETS if found.config.data.source.endswith(".jsonl")}
    assert len(from_files) == 3
    assert from_files == {found.key for found in PRESETS if found.make_data or "data.source" in found.fill_in}


def test_reward_hacking_trains_on_a_proxy_and_only_watches_the_truth():
    config = preset("reward-hacking").config
    assert {spec.name: spec.weight for spec in config.rewards} == {"regex_match": 1.0, "exact_match": 0.0}
    assert pass_reward(config) == "exact_match"


def test_an_unknown_preset_is_refused():
    with pytest.raises(KeyError):
        preset("spell it")


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


def test_sums_to_write_backwards_are_right_and_begin_with_no_zero(tmp_path):
    write_backwards(tmp_path / "sums.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "sums.jsonl").read_text().splitlines()]
    assert {"question": "27+68", "answer": "59"} in rows
    assert all(str(sum(map(int, row["question"].split("+")))) == row["answer"][::-1] for row in rows)
    assert all(row["answer"][0] != "0" and len(row["answer"]) > 1 for row in rows)
    # Of 10,000 pairs, 1,000 have a sum that ends in 0, and 54 others a sum of one digit.
    assert len({row["question"] for row in rows}) == len(rows) == 8946
    preview = preview_file(str(tmp_path / "sums.jsonl"))
    assert (preview.prompt_column, preview.answer_column, preview.num_rows) == ("question", "answer", 8946)
