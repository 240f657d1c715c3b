"""The command line: what it turns a TRL config into, and what it says on which stream."""

import json

import pytest

from engine.cli import main
from engine.config_io import dump_config, parse_config
from engine.presets import preset

YAML = "learning_rate: 1e-5\nepsilon_high: 0.28\nuse_vllm: true\nnonsense: 1\n"


@pytest.fixture
def trl_file(tmp_path):
    (path := tmp_path / "grpo.yaml").write_text(YAML)
    return path


def test_a_trl_config_becomes_a_config_on_standard_output_and_a_report_beside_it(trl_file, capsys):
    assert main(["import-trl", str(trl_file)]) == 0
    out, report = capsys.readouterr()
    config = parse_config(out)
    assert (config.optim.learning_rate, config.loss.epsilon_high, config.loss.beta) == (1e-5, 0.28, 0.0)
    assert config.model.source == "embedded"  # the demo's
    for line in ("Taken over:", "  learning_rate: 1e-5  →  optim.learning_rate: 1e-05", "Not here:", "  use_vllm"):
        assert line in report.splitlines()
    assert "Not known:" in report and "kept as before" in report
    assert "warning: loss.epsilon_high: 0.28 has no effect yet" in report


def test_a_config_is_written_once_and_never_over_another_file(trl_file, tmp_path, capsys):
    out = tmp_path / "config.json"
    assert main(["import-trl", str(trl_file), "--out", str(out)]) == 0
    written = out.read_text()
    assert parse_config(written).optim.learning_rate == 1e-5 and capsys.readouterr().out == ""
    assert main(["import-trl", str(trl_file), "--out", str(out)]) == 1
    assert "exists. Name another file" in capsys.readouterr().err and out.read_text() == written


def test_what_trl_does_not_say_comes_from_the_base(trl_file, tmp_path, capsys):
    (base := tmp_path / "base.json").write_text(dump_config(preset("gsm8k").config))
    assert main(["import-trl", str(trl_file), "--base", str(base)]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["source"] == "gsm8k/train.jsonl"


def test_a_value_that_cannot_be_used_ends_with_the_exit_code_of_configurations(tmp_path, capsys):
    (path := tmp_path / "grpo.yaml").write_text("learning_rate: fast\nbeta: -1\n")
    assert main(["import-trl", str(path)]) == 2
    out, error = capsys.readouterr()
    assert out == "" and "learning_rate: 'fast' is not accepted" in error and "beta: -1 is not accepted" in error


def test_a_config_of_ours_is_not_taken_for_trls(tmp_path, capsys):
    (path := tmp_path / "ours.json").write_text(dump_config(preset("gsm8k").config))
    assert main(["import-trl", str(path)]) == 2
    assert "is a config of GRPO Lab" in capsys.readouterr().err
