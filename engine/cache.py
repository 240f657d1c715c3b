"""Where the program keeps what it can make again: GRPO_LAB_CACHE, else grpo-lab in the user's cache folder."""

import os
from pathlib import Path


def cache_root() -> Path:
    """The folder, which may not exist yet."""
    root = os.environ.get("GRPO_LAB_CACHE") or (os.environ.get("XDG_CACHE_HOME") or "~/.cache") + "/grpo-lab"
    return Path(root).expanduser()
