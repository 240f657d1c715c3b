"""Loads a model in a child process of its own, and tells what it said, how long it took and how much memory it had.

The children are forked from a server that has the libraries loaded, so each costs little. A safety limit above the
measured one keeps a case that is not refused from taking the machine with it.
"""

import json
import multiprocessing
import os
import resource
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from engine.config import ModelConfig
from engine.data.example import Example
from engine.data.prompts import Renderer
from engine.errors import LabError
from engine.machine import memory_limit
from engine.models.load import load_policy

SAFETY_BYTES = 4 * 2**30
SAFETY_S = 300.0  # the first child waits until the server has loaded the libraries
PROMPT = "1+1="


@dataclass(frozen=True)
class Outcome:
    """`refusal` is the sentence with which the model was refused, None when it loaded; `crash` is any other error."""

    refusal: str | None
    crash: str | None
    cpu_seconds: float
    peak_bytes: int


def load_in_child(source: Path, home: Path) -> Outcome:
    """Load the policy, render a prompt and tokenize it, offline and with caches below `home`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.hostile.limited", "transformers.models.llama.modeling_llama", "peft"])
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(str(source), str(home), there), daemon=True)
    child.start()
    there.close()
    try:
        told = here.recv_bytes() if here.poll(SAFETY_S) else None
    except EOFError:
        told = None
    finally:
        child.kill()
        child.join()
    if told is None:
        return Outcome(None, f"ended without an answer ({child.exitcode})", SAFETY_S, SAFETY_BYTES)
    return Outcome(**json.loads(told))


def _child(source: str, home: str, answer: Connection) -> None:
    os.environ.update(HF_HUB_OFFLINE="1", HF_HOME=f"{home}/hf", GRPO_LAB_CACHE=f"{home}/cache")
    os.chdir(home)
    started = time.process_time()
    refusal = crash = None
    with memory_limit(SAFETY_BYTES):
        try:
            config = ModelConfig(source=source, adapter="full")
            policy = load_policy(config, "cpu", seed=0)
            Renderer(policy.tokenizer, config).render(Example("id", PROMPT, PROMPT, "2", {}))
        except LabError as error:
            refusal = str(error)
        except BaseException as error:
            crash = f"{type(error).__name__}: {error}"[:500]
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    told = {"refusal": refusal, "crash": crash, "cpu_seconds": time.process_time() - started, "peak_bytes": peak_bytes}
    answer.send_bytes(json.dumps(told).encode())
