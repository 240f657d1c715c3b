from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.preflight.result import RewardResult, read_result, write_result
from tests.unit.preflight.findings import prompt, result


@pytest.mark.parametrize("forecast", [None, result().forecast])
def test_what_is_written_is_read_back(forecast, tmp_path: Path):
    rewards = (RewardResult("exact_match", 1.0, None, 16, (("returned None", 16),)),)
    found = result(forecast=forecast, rewards=rewards, prompts=(prompt(None, "failed"),))
    write_result(tmp_path / "preflight.json", found)
    assert read_result(tmp_path / "preflight.json") == found


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"prompts": 3}', "{" * 10_000])
def test_a_file_that_is_no_preflight_is_an_error_in_a_sentence(text, tmp_path: Path):
    path = tmp_path / "preflight.json"
    path.write_text(text)
    with pytest.raises(StoreError, match="Run the pre-flight again"):
        read_result(path)


def test_a_missing_file_is_an_error_in_a_sentence(tmp_path: Path):
    with pytest.raises(StoreError, match="cannot be read"):
        read_result(tmp_path / "preflight.json")


def test_the_pass_rate_counts_decided_completions_alone():
    found = result(prompts=(prompt(4), prompt(None, "failed"), prompt(0)))
    assert found.pass_rate == 0.5
    assert result(prompts=(prompt(None),)).pass_rate is None
