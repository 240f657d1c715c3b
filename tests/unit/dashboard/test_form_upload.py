"""Uploads: whatever a file is called, it lands in our folder under a plain name, once for the same content."""

import pytest

from dashboard.views import form_upload
from dashboard.views.form_upload import safe_name, save_upload
from engine.errors import DatasetError, LabError


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("train.jsonl", "train.jsonl"),
        ("../../etc/passwd.csv", "passwd.csv"),
        ("C:\\data\\My Data (1).CSV", "My-Data-1.csv"),
        ("..jsonl", "data.jsonl"),
        ("<script>.json", "script.json"),
        ("日本.parquet", "data.parquet"),
        ("plain", "plain"),
        ("a" * 200 + ".tsv", "a" * 60 + ".tsv"),
        ("x.jsonl\0.sh", "x-jsonl.sh"),
    ],
)
def test_names_become_plain(name, safe):
    assert safe_name(name) == safe


def test_a_file_is_kept_below_the_runs_folder_once(tmp_path):
    first = save_upload(tmp_path, "../a.jsonl", b'{"q": 1}\n')
    again = save_upload(tmp_path, "../a.jsonl", b'{"q": 1}\n')
    other = save_upload(tmp_path, "../a.jsonl", b'{"q": 2}\n')
    assert first == again != other
    assert first.parent.parent == tmp_path / ".uploads"
    assert first.name == other.name == "a.jsonl"  # what the pages call it
    assert first.read_bytes() == b'{"q": 1}\n'


def test_a_file_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(form_upload, "MAX_MB", 1)
    assert save_upload(tmp_path, "a.csv", bytes(2**20)).stat().st_size == 2**20
    with pytest.raises(DatasetError, match="has more than 1 MB"):
        save_upload(tmp_path, "b.csv", bytes(2**20 + 1))


@pytest.mark.parametrize(("name", "data", "words"), [("a.exe", b"x", "kind of file"), ("a.csv", b"", "empty")])
def test_what_is_no_data_is_refused(tmp_path, name, data, words):
    with pytest.raises(DatasetError, match=words):
        save_upload(tmp_path, name, data)
    assert not (tmp_path / ".uploads").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / ".uploads").write_text("a file")
    with pytest.raises(LabError, match=r"\.uploads/\w+: Not a directory"):
        save_upload(tmp_path, "a.csv", b"question,answer\n")
