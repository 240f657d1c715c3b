"""Asks a child process whether a configuration can run. The child loads a tokenizer; the caller stays light.

The child, engine/check.py, can be ended at any time, so a hostile file or model costs the caller no more than the
time limit.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.child_answer import ask_child
from engine.config import RunConfig
from engine.config_io import dump_config
from engine.data.checks import Bin, Finding
from engine.errors import Problem


@dataclass(frozen=True)
class Preview:
    """One training prompt as the model will read it, its length in tokens, and the reference answer."""

    prompt: str
    tokens: int
    reference: str | None


@dataclass(frozen=True)
class Check:
    """What a run of this configuration would meet. With a problem it must not start; warnings are advice.

    `findings` are what is odd about the data, with the rows; `prompt_tokens` says how long the first prompts are.
    `train_size` None: endless data, or data that could not be read. `context_length` None: the model names no limit.
    """

    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    previews: tuple[Preview, ...] = ()
    context_length: int | None = None
    train_size: int | None = None
    findings: tuple[Finding, ...] = ()
    prompt_tokens: tuple[Bin, ...] = ()

    def remarks(self) -> list[str]:
        """Everything that is advice and no problem, as sentences."""
        return [*self.warnings, *map(str, self.findings)]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Check":
        """Raises ValueError, KeyError or TypeError when the text is not what to_json writes."""
        raw: Mapping[str, Any] = json.loads(text)
        return cls(
            tuple(Problem(**problem) for problem in raw["problems"]),
            tuple(raw["warnings"]),
            tuple(Preview(**preview) for preview in raw["previews"]),
            raw["context_length"],
            raw["train_size"],
            tuple(Finding(**{**finding, "rows": tuple(finding["rows"])}) for finding in raw["findings"]),
            tuple(Bin(**found) for found in raw["prompt_tokens"]),
        )


def check_in_child(config: RunConfig | str, *, timeout_s: float, cwd: Path | None = None) -> Check:
    """Check a configuration, or its JSON text, in a process of its own, which is ended after `timeout_s`.

    Relative paths begin at `cwd`, or where this process works.

    Never raises for what the child meets: a check that ends without an answer is itself a problem.
    """
    text = dump_config(config) if isinstance(config, RunConfig) else config
    answer = ask_child("engine.check", text, timeout_s=timeout_s, cwd=cwd)
    if not answer.in_time:
        return _unanswered(f"the check took longer than {timeout_s:g} s", "Choose a smaller file or model.")
    try:
        return Check.from_json(answer.output)
    except (ValueError, KeyError, TypeError):
        return _unanswered(f"the check ended with exit code {answer.exit_code}", answer.last_words)


def _unanswered(message: str, hint: str) -> Check:
    return Check(problems=(Problem("config", message + ".", hint),))
