"""Memory on the New-run page: what the run will take, part by part, beside what is free on this machine."""

import streamlit as st

from dashboard.text import as_html
from dashboard.views.form_state import FormState
from dashboard.wording import size
from engine.config import RunConfig
from engine.errors import ModelError
from engine.machine import free_memory_bytes, may_have_gpu
from engine.memory import MemoryEstimate, Phase, assumed_prompt_tokens, estimate_memory
from engine.models.catalog import model_facts
from engine.models.folder import ModelFacts

LOOK_TTL_S = 5
WHEN: dict[Phase, str] = {"always": "", "sampling": "while sampling", "updating": "while updating"}


def draw_memory(form: FormState, config: RunConfig) -> None:
    """The estimate in a table, its peak in the title; nothing for a model whose sizes are not known."""
    facts = facts_of(config.model.source)
    tokens, source = prompt_tokens(form, config)
    estimate = estimate_memory(config, facts, tokens)
    if estimate is None:
        return
    free = None if is_on_gpu(config) else free_memory_bytes()
    beside = "" if free is None else f" of {size(free)} free"
    if free is not None and estimate.peak_bytes > free:
        st.warning(
            f"This run may take {size(estimate.peak_bytes)} of memory, and {size(free)} are free. {_advice(estimate)}",
            icon=":material/memory:",
        )
    with st.expander(f"Memory: about {size(estimate.peak_bytes)}{beside}", icon=":material/memory:"):
        st.html(_table(estimate))
        st.caption(
            f"With every completion as long as its limit, and prompts of {tokens:,} tokens ({source}). "
            "The peak is what is always there, and the larger of sampling and updating."
            + (" On a GPU, compare it with the GPU's own memory." if is_on_gpu(config) else "")
        )


@st.cache_data(ttl=LOOK_TTL_S, max_entries=32, show_spinner=False)
def facts_of(source: str) -> ModelFacts:
    try:
        return model_facts(source)
    except (ModelError, OSError):  # which the Model section tells
        return ModelFacts()


def prompt_tokens(form: FormState, config: RunConfig) -> tuple[int, str]:
    """The length of a prompt, and where it is known from."""
    measured = _measured_prompt(form, config)
    if measured is not None:
        return measured, "as checked"
    return assumed_prompt_tokens(config, facts_of(config.model.source)), "assumed until the check"


def _measured_prompt(form: FormState, config: RunConfig) -> int | None:
    if form.check is None or not form.is_checked(config):
        return None
    return max((preview.tokens for preview in form.check.previews), default=None)


def is_on_gpu(config: RunConfig) -> bool:
    return config.device == "cuda" or (config.device == "auto" and may_have_gpu())


def _advice(estimate: MemoryEstimate) -> str:
    """The setting that lowers the largest part."""
    largest = max(estimate.parts, key=lambda part: part.size_bytes)
    return {
        "updating": "Lower the micro-batch, in Budget under more settings.",
        "sampling": "Lower what is sampled at once, in GRPO under more settings.",
        "always": "Choose a smaller model, or train a LoRA adapter.",
    }[largest.phase]


def _table(estimate: MemoryEstimate) -> str:
    rows = "".join(
        f"<tr title='{as_html(part.how)}'><td>{as_html(part.name)}</td><td class='lab-num' style='text-align:right'>"
        f"{size(part.size_bytes)}</td><td class='lab-muted'>{WHEN[part.phase]}</td></tr>"
        for part in estimate.parts
    )
    peak = f"<tr><td><b>Peak</b></td><td class='lab-num' style='text-align:right'><b>{size(estimate.peak_bytes)}</b>"
    critic = (
        f"<tr class='lab-muted'><td>PPO's critic would add</td><td class='lab-num' style='text-align:right'>"
        f"{size(estimate.critic_bytes)}</td><td>{as_html(estimate.critic_how)}</td></tr>"
    )
    return f"<table style='border-spacing:.75rem .1rem;margin-left:-.75rem'>{rows}{peak}</td></tr>{critic}</table>"
