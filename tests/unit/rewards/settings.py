"""Settings for the rewards that have some that must be set: one set for each, for tests that go through the library."""

from typing import Any

from engine.rewards.info import RewardInfo
from engine.rewards.registry import REWARDS

# Those that score a text by themselves, in this process: no second model, no worker.
HERE = [name for name, info in REWARDS.items() if info.where == "engine"]

NEEDED: dict[str, dict[str, Any]] = {
    "regex_match": {"pattern": "8"},
    "keywords": {"required": "85"},
    "constraints": {"constraints": "no_commas\nmax_words: 9"},
}


def made(name: str) -> Any:
    """The function of a reward, with the settings that it must have."""
    info: RewardInfo = REWARDS[name]
    return info.make(info.params(**NEEDED.get(name, {})))
