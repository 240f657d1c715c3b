"""Files and checkpoint folders are whole or absent, and damage is found and named."""

import json
import os
import random
from pathlib import Path

import pytest

from engine.errors import CheckpointError
from engine.runs.durable import commit_directory, newest_valid, verify_directory, write_atomic

FILES = {"policy.safetensors": b"weights" * 40, "state.json": b'{"step": 1}', "deep/er.bin": b""}


def committed(parent: Path, name: str) -> Path:
    temporary = parent / ".tmp"
    for file, data in FILES.items():
        (temporary / file).parent.mkdir(parents=True, exist_ok=True)
        (temporary / file).write_bytes(data)
    commit_directory(temporary, parent / name)
    return parent / name


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a", b"one")
    write_atomic(tmp_path / "a", b"two")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"two")]


def test_a_write_that_fails_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomic(tmp_path / "a", b"one")

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(tmp_path / "a", b"two")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"one")]


def test_a_committed_directory_verifies_and_lists_every_file(tmp_path: Path) -> None:
    final = committed(tmp_path, "step-000001")
    assert not (tmp_path / ".tmp").exists()
    manifest = verify_directory(final)
    assert {name: entry["size"] for name, entry in manifest["files"].items()} == {
        "policy.safetensors": 280, "state.json": 11, "deep/er.bin": 0,
    }  # fmt: skip


def test_an_existing_directory_is_not_replaced(tmp_path: Path) -> None:
    committed(tmp_path, "step-000001")
    with pytest.raises(CheckpointError, match="step-000001 exists already"):
        committed(tmp_path, "step-000001")


def test_everything_is_synced_before_the_rename_and_the_parent_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(fd: int) -> None:
        done.append(Path(os.readlink(f"/proc/self/fd/{fd}")).relative_to(tmp_path).as_posix())
        real_fsync(fd)

    def rename(source: Path, target: Path) -> None:
        done.append("RENAME")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    committed(tmp_path, "step-000001")
    before, after = done[: done.index("RENAME")], done[done.index("RENAME") + 1 :]
    assert {".tmp/policy.safetensors", ".tmp/state.json", ".tmp/deep/er.bin", ".tmp/deep", ".tmp"} <= set(before)
    assert before[-1] == ".tmp" and "manifest.json" in before[-2]
    assert after == ["."]


def test_any_flipped_bit_is_found(tmp_path: Path) -> None:
    final = committed(tmp_path, "step-000001")
    rng = random.Random(0)
    files = [path for path in final.rglob("*") if path.is_file() and path.stat().st_size]
    for _ in range(200):
        path = rng.choice(files)
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(damaged))
        with pytest.raises(CheckpointError, match=r"step-000001/\S"):
            verify_directory(final)
        path.write_bytes(whole)
    assert verify_directory(final)


def test_any_truncation_is_found_and_named(tmp_path: Path) -> None:
    final = committed(tmp_path, "step-000001")
    whole = (final / "policy.safetensors").read_bytes()
    for length in range(0, len(whole), 6):
        (final / "policy.safetensors").write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=rf"policy\.safetensors has {length} bytes, its manifest says 280"):
            verify_directory(final)


def test_a_missing_and_an_added_file_are_named(tmp_path: Path) -> None:
    final = committed(tmp_path, "step-000001")
    (final / "extra.bin").touch()
    with pytest.raises(CheckpointError, match=r"extra\.bin is not in the manifest"):
        verify_directory(final)
    (final / "extra.bin").unlink()
    (final / "state.json").unlink()
    with pytest.raises(CheckpointError, match=r"state\.json is missing"):
        verify_directory(final)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"files": []}', '{"files": {"a": 3}}', '{"files": {"a": {}}}', "[" * 100_000]
)
def test_a_manifest_that_is_none_is_a_checkpoint_error(tmp_path: Path, text: str) -> None:
    final = committed(tmp_path, "step-000001")
    (final / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"manifest\.json"):
        verify_directory(final)


def test_the_newest_whole_checkpoint_is_found_and_the_damaged_one_is_named(tmp_path: Path) -> None:
    assert newest_valid(tmp_path / "nowhere", "step-") == (None, [])
    for name in ("step-000002", "step-000010", "step-000009"):
        committed(tmp_path, name)
    (tmp_path / "step-000011").mkdir()
    (tmp_path / ".tmp-step-000012").mkdir()
    (tmp_path / "step-000010" / "state.json").write_bytes(b'{"step": 2}')
    path, problems = newest_valid(tmp_path, "step-")
    assert path == tmp_path / "step-000009"
    assert [("step-000011" in text, "step-000010/state.json" in text) for text in problems] == [
        (True, False),
        (False, True),
    ]


def test_the_manifest_holds_no_path_that_leads_out(tmp_path: Path) -> None:
    final = committed(tmp_path, "step-000001")
    (tmp_path / "secret").write_text("x")
    manifest = json.loads((final / "manifest.json").read_text())
    manifest["files"]["../secret"] = {
        "size": 1,
        "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
    }
    (final / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=r"\.\./secret is missing"):
        verify_directory(final)
