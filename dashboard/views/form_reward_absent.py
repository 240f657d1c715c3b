"""Why a reward of the library cannot be used here. What has to be tried out for that is tried beside the page, once."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import streamlit as st

from engine.rewards.info import RewardInfo
from engine.rewards.registry import REWARDS

TRYING: Final = "Whether this machine can run it safely is being tried out; that takes a few seconds."


def absence(info: RewardInfo) -> str | None:
    """The reason, None when it can be used."""
    if not info.tries_machine:
        return info.unavailable()
    answer = _trial(info.name)
    return answer.result() if answer.done() else TRYING


@st.cache_resource
def _trial(name: str) -> "Future[str | None]":
    """Begun when first asked, and kept as long as this server runs."""
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"trial-{name}")
    answer = pool.submit(REWARDS[name].unavailable)
    pool.shutdown(wait=False)
    return answer
