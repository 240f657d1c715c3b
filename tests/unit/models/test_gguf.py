"""Conversion of GGUF files: once, whole or not at all, in a child that can be killed."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.config import ModelConfig
from engine.errors import ModelError
from engine.models.gguf import converted_folder
from engine.models.load import load_policy, load_tokenizer
from engine.runs.lease import lock, open_lock_file
from tests.model_folders import GGUF_METADATA, GGUF_TENSORS, gguf_bytes


@pytest.fixture
def gguf_file(tmp_path: Path) -> Path:
    """A GGUF file with a good header and no weights behind it."""
    path = tmp_path / "tiny model.gguf"
    path.write_bytes(gguf_bytes(GGUF_METADATA, GGUF_TENSORS))
    return path


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model_folder: Path) -> Path:
    """A file with one line for each conversion; the child copies the tiny model instead of converting."""
    log = tmp_path / "conversions"
    log.write_text("")
    code = (
        "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2], dirs_exist_ok=True);"
        "open(sys.argv[3], 'a').write('converted\\n')"
    )
    monkeypatch.setattr(
        "engine.models.gguf._command",
        lambda path, folder, memory: [sys.executable, "-c", code, str(model_folder), str(folder), str(log)],
    )
    return log


def use_child(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr("engine.models.gguf._command", lambda path, folder, memory: [sys.executable, "-c", code])


def cached(tmp_path: Path) -> list[str]:
    """Folders in the cache, finished or not."""
    return [path.name for path in (tmp_path / "cache" / "models").iterdir() if path.is_dir()]


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        converted_folder(path)
    return str(error.value)


def test_a_file_is_converted_once(gguf_file: Path, conversions: Path, tmp_path: Path) -> None:
    heard: list[str] = []
    folder = converted_folder(gguf_file, heard.append)
    assert (folder / "model.safetensors").is_file()
    assert heard[0] == "converting tiny model.gguf, 0 s"
    assert converted_folder(gguf_file) == folder
    assert conversions.read_text() == "converted\n"
    assert cached(tmp_path) == [folder.name]


def test_a_changed_file_is_converted_again(gguf_file: Path, conversions: Path) -> None:
    first = converted_folder(gguf_file)
    os.utime(gguf_file, ns=(0, 1_000_000))
    assert converted_folder(gguf_file) != first
    assert conversions.read_text() == "converted\n" * 2


def test_the_converted_folder_loads_like_any_other(gguf_file: Path, conversions: Path) -> None:
    assert load_tokenizer(str(gguf_file)).encode("12") == [3, 4]
    assert conversions.read_text() == "converted\n"


def test_two_runs_that_start_at_once_convert_once(gguf_file: Path, conversions: Path) -> None:
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(converted_folder(gguf_file))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 3 and len(set(folders)) == 1
    assert conversions.read_text() == "converted\n"


def test_who_waits_for_another_conversion_says_so(
    gguf_file: Path, conversions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = converted_folder(gguf_file)
    other = open_lock_file(folder.with_suffix(".lock"))  # as another process would hold it
    assert lock(other, 0.0)
    monkeypatch.setattr("engine.models.gguf.BEAT_S", 0.01)
    heard: list[str] = []

    def progress(detail: str) -> None:
        heard.append(detail)
        if len(heard) == 2:
            os.close(other)

    assert converted_folder(gguf_file, progress) == folder
    assert heard == ["waiting for another process that converts tiny model.gguf"] * 2


def test_leftovers_of_a_killed_conversion_are_cleared(gguf_file: Path, conversions: Path, tmp_path: Path) -> None:
    name = converted_folder(gguf_file).name
    leftover = tmp_path / "cache" / "models" / f"{name}.tmp-dead"
    (tmp_path / "cache" / "models" / name).rename(leftover)
    converted_folder(gguf_file)
    assert cached(tmp_path) == [name]


def test_a_failed_conversion_gives_its_last_line_and_leaves_nothing(
    gguf_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_child(monkeypatch, "raise SystemExit('first\\nValueError: the last line.')")
    assert "could not be converted: ValueError: the last line. Use" in refusal(gguf_file)
    assert cached(tmp_path) == []


def test_a_child_that_is_killed_is_told_apart(gguf_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_child(monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert "ended by signal 9, probably for lack of memory" in refusal(gguf_file)


def test_a_conversion_that_writes_no_model_is_refused(
    gguf_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_child(monkeypatch, "pass")
    assert "has no config.json" in refusal(gguf_file)
    assert cached(tmp_path) == []


def test_a_child_that_hangs_is_ended_at_the_limit(
    gguf_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    children: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def watched(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        children.append(start(*args, **options))
        return children[-1]

    monkeypatch.setattr("subprocess.Popen", watched)
    use_child(monkeypatch, "import signal; signal.pause()")
    monkeypatch.setattr("engine.models.gguf.BASE_TIME_S", 0.2)
    assert "was not converted within 0 s" in refusal(gguf_file)
    assert [child.returncode for child in children] == [-signal.SIGKILL]
    assert cached(tmp_path) == []


def test_the_child_is_offline_and_finds_the_engine(
    gguf_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = (
        "import os, engine.errors; raise SystemExit(os.environ['HF_HUB_OFFLINE'] + os.environ['TRANSFORMERS_OFFLINE'])"
    )
    use_child(monkeypatch, code)
    assert "could not be converted: 11." in refusal(gguf_file)


def test_a_cache_that_cannot_be_written_is_named(
    gguf_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRPO_LAB_CACHE", str(tmp_path / "file"))
    assert "cannot be made: Not a directory. Set GRPO_LAB_CACHE" in refusal(gguf_file)


@pytest.mark.slow  # the real child imports transformers
def test_a_good_header_with_nothing_behind_it_is_refused_by_the_child(gguf_file: Path, tmp_path: Path) -> None:
    assert f"{gguf_file} could not be converted: ValueError: cannot reshape array of size 0" in refusal(gguf_file)
    assert cached(tmp_path) == []


@pytest.mark.parametrize(
    "said", ["libstdc++.so.6: cannot map zero-fill pages", "Cannot allocate memory", "Unable to allocate 3 GiB"]
)
def test_a_lack_of_memory_is_told_as_one_whoever_says_so(
    gguf_file: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    use_child(monkeypatch, f"raise SystemExit({said!r})")
    assert f"could not be converted: it needs more memory than it may take: {said}." in refusal(gguf_file)


@pytest.mark.slow  # the real child imports transformers
def test_a_conversion_that_needs_too_much_memory_is_refused(
    gguf_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("engine.models.gguf.BASE_MEMORY_BYTES", 30 * 2**20)
    reason = refusal(gguf_file)
    assert f"{gguf_file} could not be converted: " in reason and "memory" in reason.lower()
    assert cached(tmp_path) == []


def test_the_memory_that_a_conversion_may_take_grows_with_the_weights(
    gguf_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[int] = []

    def command(_path: Path, _folder: Path, memory_bytes: int) -> list[str]:
        limits.append(memory_bytes)
        return [sys.executable, "-c", "raise SystemExit('enough')"]

    monkeypatch.setattr("engine.models.gguf._command", command)
    assert "enough" in refusal(gguf_file)
    assert limits == [2 * 2**30 + 12 * 12]  # 2 GiB, and 12 bytes for each of its 12 weights


@pytest.mark.slow  # converts 135 million weights
def test_smollm2_answers_a_question_after_its_conversion() -> None:
    policy = load_policy(ModelConfig(source="smollm2"), "cpu", seed=0)
    tokenizer = policy.tokenizer
    assert policy.context_length == 8192
    assert policy.eos_ids == {tokenizer.convert_tokens_to_ids("<|im_end|>")}
    question = [{"role": "user", "content": "What is 2 + 3?"}]
    ids = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt")["input_ids"]
    start = ids.shape[1]
    with policy.reference() as reference, torch.no_grad():
        while ids.shape[1] < start + 16 and int(ids[0, -1]) not in policy.eos_ids:
            ids = torch.cat([ids, reference(input_ids=ids).logits[:, -1:].argmax(-1)], dim=1)
    assert tokenizer.decode(ids[0, start:]) == "2 + 3 = 5<|im_end|>"
