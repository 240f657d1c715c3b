"""The line about a run: where its data are from, in a few letters."""

import pytest

from dashboard.views.run_header import config_line
from engine.presets import PRESETS


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("/data/sums/train.jsonl", "sums/train.jsonl"),
        ("/runs/.uploads/287932917b2f/sums.jsonl", "sums.jsonl"),
        ("arithmetic", "arithmetic"),
    ],
)
def test_data_are_named_by_folder_and_file_and_uploads_by_their_own_name(source: str, shown: str) -> None:
    config = PRESETS[0].config
    data = config.data.model_copy(update={"source": source, **({} if source == "arithmetic" else {"params": {}})})
    line = config_line(config.model_copy(update={"data": data})).replace("\u00a0", " ")
    assert f" · data {shown}" in line
