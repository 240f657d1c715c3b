"""Time on the New-run page: a rough range for a step, from what the check measured of this machine, and its basis."""

import streamlit as st

from dashboard.text import as_html
from dashboard.views.form_memory import facts_of, is_on_gpu, prompt_tokens
from dashboard.views.form_state import FormState
from dashboard.wording import plural
from engine.config import RunConfig
from engine.machine_speed import MachineSpeed, known_speed
from engine.step_time import TimeRange, time_range

NOT_MEASURED = "How long a step takes is estimated once a check has measured this machine."


def draw_time(form: FormState, config: RunConfig) -> None:
    """The range in the title, the parts of a step below; one line before a check; nothing for unknown sizes."""
    facts = facts_of(config.model.source)
    if facts.shape is None or not facts.parameters:
        return
    speed = known_speed("cuda" if is_on_gpu(config) else "cpu", config.threads) or known_speed("cpu", config.threads)
    if speed is None:
        st.caption(NOT_MEASURED)
        return
    tokens, _ = prompt_tokens(form, config)
    found = time_range(config, facts, tokens, speed)
    if found is not None:
        steps = max(0, config.optim.max_steps - (form.fork_step or 0))
        with st.expander(title(found, steps), key="new_run.time", icon=":material/schedule:"):
            st.html(_table(found))
            st.caption(basis(found, speed, tokens))


def title(found: TimeRange, steps: int) -> str:
    whole = f", {span(found.low_s * steps)} to {span(found.high_s * steps)} in all" if steps > 1 else ""
    return f"Time: roughly {span(found.low_s)} to {span(found.high_s)} a step{whole}"


def span(seconds: float) -> str:
    """A duration with one or two digits that mean something: 0.3 s, 12 s, 5 min, 3 h."""
    for limit, unit, name in ((90, 1, "s"), (90 * 60, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            amount = seconds / unit
            return f"{amount:.2g} {name}" if amount < 10 else f"{amount:.0f} {name}"
    return f"{seconds / 86400:.0f} days"


def basis(found: TimeRange, speed: MachineSpeed, tokens: int) -> str:
    """What the numbers stand on."""
    threads = f"with {plural(speed.threads, 'thread')}" if speed.threads else "with all cores"
    where = "on the GPU" if speed.device != "cpu" else threads
    return (
        f"The table is for completions of {found.whole.completion_tokens:,.0f} tokens, the limit, and prompts of "
        f"{tokens:,}. The range begins at completions of a quarter of that, and allows for an estimate that is off by "
        f"a factor of 2. Measured here {where} at the last check: {speed.matmul_flops / 1e9:,.0f} billion operations "
        f"a second in large products, {speed.weight_bytes / 1e9:.1f} GB a second of weights read while sampling. "
        "Rewards, evaluations and checkpoints come on top; other work on this machine makes it slower."
    )


def _table(found: TimeRange) -> str:
    whole = found.whole
    parts = (("Sampling", whole.rollout_s), ("Reference", whole.reference_s), ("Update", whole.update_s))
    rows = "".join(
        f"<tr><td>{as_html(name)}</td><td class='lab-num' style='text-align:right'>{span(seconds)}</td></tr>"
        for name, seconds in (*parts, ("Step", whole.total_s))
    )
    return f"<table style='border-spacing:.75rem .1rem;margin-left:-.75rem'>{rows}</table>"
