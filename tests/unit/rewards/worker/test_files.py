"""Reward files on disk: no content is lost, no name leaves the folder, and what is no file is refused."""

import hashlib
import os
from pathlib import Path

import pytest

from engine.errors import RewardError
from engine.rewards.worker import files
from engine.rewards.worker.files import list_reward_files, read_reward_file, save_reward_file


def test_saving_again_keeps_the_earlier_content(tmp_path: Path) -> None:
    first = save_reward_file(tmp_path / "rewards", "mine", "x = 1\n")
    second = save_reward_file(tmp_path / "rewards", "mine.py", "x = 2\n")
    assert first == second == tmp_path / "rewards" / "mine.py"
    assert second.read_text() == "x = 2\n"
    versions = {path.read_text() for path in (tmp_path / "rewards" / "versions").iterdir()}
    assert versions == {"x = 1\n", "x = 2\n"}


def test_a_file_that_somebody_else_changed_is_kept_too(tmp_path: Path) -> None:
    path = save_reward_file(tmp_path, "mine", "x = 1\n")
    path.write_text("x = 'by hand'\n")
    save_reward_file(tmp_path, "mine", "x = 2\n")
    assert "x = 'by hand'\n" in {version.read_text() for version in (tmp_path / "versions").iterdir()}


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "x" * 61, "1st", "ü", "a\n", "con.txt"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RewardError, match="is no name for a reward file"):
        save_reward_file(tmp_path, name, "")
    assert list(tmp_path.iterdir()) == []


def test_a_text_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RewardError, match="1,048,577 bytes"):
        save_reward_file(tmp_path, "mine", "#" * (2**20 + 1))


def test_the_list_has_the_newest_first_and_leaves_out_what_cannot_be_read(tmp_path: Path) -> None:
    for age, name in enumerate(["new", "old"]):
        os.utime(save_reward_file(tmp_path, name, name), (1000 - age, 1000 - age))
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "binary.py").write_bytes(b"\xff")
    assert [file.name for file in list_reward_files(tmp_path)] == ["new", "old"]
    assert list_reward_files(tmp_path / "none") == []


def test_reading_a_pipe_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(RewardError, match="is a pipe, not a file"):
        read_reward_file(tmp_path / "pipe.py")


def test_a_list_that_is_asked_again_reads_what_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noted(path: Path) -> bytes:
        read.append(path.name)
        return read_reward_file(path)

    monkeypatch.setattr(files, "read_reward_file", noted)
    for name in ("a", "b"):
        save_reward_file(tmp_path, name, "x = 1\n")
    read.clear()  # saving looks at what there was
    before = {file.name: file.sha256 for file in list_reward_files(tmp_path)}
    list_reward_files(tmp_path)
    assert sorted(read) == ["a.py", "b.py"]
    at = (tmp_path / "b.py").stat()
    save_reward_file(tmp_path, "b", "x = 2\n")  # as long as it was
    os.utime(tmp_path / "b.py", ns=(at.st_atime_ns, at.st_mtime_ns))  # and as old
    after = {file.name: file.sha256 for file in list_reward_files(tmp_path)}
    assert after["a"] == before["a"] and after["b"] == hashlib.sha256(b"x = 2\n").hexdigest()
