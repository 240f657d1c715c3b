"""Converts a GGUF file once into a folder of safetensors, tokenizer and config, and keeps it in the cache.

The `gguf` package trusts its input, so conversion runs in a child process with limits on memory and time, which can be
killed: `python -m engine.models.gguf FILE FOLDER`. The weights are written as float32: it holds every value that the
quantised blocks stand for exactly, so the reference is the file's own model, and no conversion is paid at each start.
"""

import hashlib
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.cache import cache_root
from engine.child_environment import child_environment
from engine.errors import ModelError
from engine.models.folder import check_folder
from engine.models.gguf_header import read_header
from engine.runs.durable import commit_directory
from engine.runs.lease import lock, open_lock_file

CONVERSION = 1  # part of the cache key: raise it when the converted folders change
BEAT_S = 1.0  # between two calls of progress

# SmolLM2-135M took 1.1 GB and 25 s with one slow thread: 8 bytes and 0.2 µs a weight. The limits leave room on top.
BASE_MEMORY_BYTES, MEMORY_BYTES_PER_WEIGHT = 2 * 2**30, 12
BASE_TIME_S, TIME_S_PER_WEIGHT = 120.0, 2e-6


def converted_folder(path: Path, progress: Callable[[str], None] = lambda _: None) -> Path:
    """The folder made of a GGUF file: from the cache, else converted now, which takes seconds to minutes.

    `progress(detail)` is called about once a second meanwhile. Raises ModelError when the file cannot be converted
    within the limits.
    """
    target = _cache() / _cache_name(path)
    with _locked(target.with_suffix(".lock"), path, progress):
        if target.is_dir():
            return target
        for leftover in target.parent.glob(f"{target.name}.tmp-*"):  # of conversions that were killed
            shutil.rmtree(leftover, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=f"{target.name}.tmp-", dir=target.parent))
        try:
            _convert_in_child(path, temporary, progress)
            check_folder(temporary)
            progress("saving the converted model")
            commit_directory(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return target


def _cache() -> Path:
    folder = cache_root() / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"The cache folder {folder} cannot be made: {error.strerror}.",
            hint="Set GRPO_LAB_CACHE to a folder that can be written.",
        ) from None
    return folder


def _cache_name(path: Path) -> str:
    """Another file, and the same file changed, get another name."""
    stat = path.stat()
    key = f"{path.resolve()}/{stat.st_size}/{stat.st_mtime_ns}/{CONVERSION}"
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem)[:60]
    return f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


@contextmanager
def _locked(lock_file: Path, path: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Waits while another process converts the same file; the kernel frees the lock at that process's death."""
    descriptor = open_lock_file(lock_file)
    try:
        while not lock(descriptor, BEAT_S):
            progress(f"waiting for another process that converts {path.name}")
        yield
    finally:
        os.close(descriptor)


def _convert_in_child(path: Path, folder: Path, progress: Callable[[str], None]) -> None:
    header = read_header(path)
    limit_s = BASE_TIME_S + header.parameters * TIME_S_PER_WEIGHT
    memory_bytes = BASE_MEMORY_BYTES + header.parameters * MEMORY_BYTES_PER_WEIGHT
    command = _command(path, folder, memory_bytes)
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            command, env=_child_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=output
        )
        try:
            in_time = _wait(child, limit_s, lambda spent_s: progress(f"converting {path.name}, {spent_s:.0f} s"))
        finally:
            child.kill()
            child.wait()
        if not in_time:
            raise ModelError(f"{path} was not converted within {limit_s:.0f} s.", hint="Use its safetensors version.")
        if child.returncode != 0:
            output.seek(0)
            raise ModelError(
                f"{path} could not be converted: {_reason(output.read(), child.returncode)}",
                hint="Use its safetensors version, or another GGUF file.",
            )


def _command(path: Path, folder: Path, memory_bytes: int) -> list[str]:
    """-P: a file in the working directory must not take the place of a library."""
    return [sys.executable, "-P", "-m", "engine.models.gguf", str(path), str(folder), str(memory_bytes)]


def _wait(child: subprocess.Popen[bytes], limit_s: float, beat: Callable[[float], None]) -> bool:
    """True when the child ended within the limit."""
    started = time.monotonic()
    while (spent_s := time.monotonic() - started) < limit_s:
        beat(spent_s)
        try:
            child.wait(timeout=min(BEAT_S, limit_s - spent_s))
        except subprocess.TimeoutExpired:
            continue
        return True
    return False


def _child_environment() -> dict[str, str]:
    """Ours, without the network, and with this engine importable from wherever the child runs."""
    return {**child_environment(), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def _reason(output: bytes, returncode: int) -> str:
    """The last line that the child wrote, which is its error."""
    lines = output.decode("utf-8", errors="replace").strip().splitlines()
    if returncode < 0:
        return f"the conversion was ended by signal {-returncode}, probably for lack of memory."
    last = lines[-1][:300].rstrip(".") if lines else f"the conversion ended with status {returncode}"
    # Whoever asks in vain says it in words of its own: Python, torch, numpy, or the loader of libraries.
    short = re.search(r"cannot (map|allocate)|can't allocate|unable to allocate", last, re.IGNORECASE)
    return f"it needs more memory than it may take: {last}." if short else f"{last}."


def convert(path: Path, folder: Path) -> None:
    """Write the GGUF file's model as float32 safetensors, with its tokenizer and chat template, into the folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    options: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True, "trust_remote_code": False}
    AutoTokenizer.from_pretrained(str(path.parent), **options).save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(
        str(path.parent), dtype=torch.float32, quantization_config=GgufConfig(dequantize=True), **options
    )
    model.save_pretrained(folder)


def main() -> None:
    """The child process: FILE FOLDER BYTES."""
    path, folder, memory_bytes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    # Private memory, not address space: torch maps far more of that than it uses.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    convert(path, folder)


if __name__ == "__main__":
    main()
