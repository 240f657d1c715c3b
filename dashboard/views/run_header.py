"""The head of the Run page: status, progress, speed, age of the last sign of life, and the settings in one line."""

import math
from pathlib import Path

from dashboard.live_run import Course
from dashboard.text import as_html
from dashboard.views.form_upload import FOLDER
from dashboard.views.status_chip import chip_html
from dashboard.wording import MISSING, ago, duration, number
from engine.config import RunConfig
from engine.data.tasks.registry import is_task, task_title
from engine.runs.status import RunStatus

NBSP = "\u00a0"
UNBROKEN = 40  # characters; a longer part of the line may be broken
RECENT = 20  # steps over which speed is averaged


def header_html(config: RunConfig, status: RunStatus, course: Course, line: str | None = None) -> str:
    """The head as HTML; everything that people or files wrote is escaped. line: in the place of the settings."""
    facts = [f"step <b>{status.step:,}</b> / {status.goal:,}{', stopped early' if status.stopped_early else ''}"]
    if status.is_live and (left := eta(status, course)) != MISSING:
        facts.append(f"ETA <b>{left}</b>")
    if (speed := tokens_per_second(course)) != MISSING:
        facts.append(f"<b>{speed}</b> tokens/s")
    if status.is_live:
        if status.heartbeat is not None:
            facts.append(f"seen <b>{ago(status.heartbeat_age_s)}</b>")
        facts.append(as_html(phase_words(status)))
    name = f'<span class="lab-name">{as_html(config.name)}</span>'
    words = "".join(f'<span class="lab-fact">{fact}</span>' for fact in facts)
    return (
        f'<div class="lab-header">{chip_html(status.state)}{name}{words}</div>'
        f'<div class="lab-config">{as_html(line or config_line(config))}</div>'
    )


def progress_html(status: RunStatus) -> str:
    """A thin bar: the share of the steps that are done."""
    done = 100 * status.step / status.goal if status.goal else 0
    return f'<div class="lab-bar"><span style="width:{min(done, 100):.1f}%"></span></div>'


def config_line(config: RunConfig) -> str:
    """What is trained, on what, for what, how."""
    source = config.data.source
    data = task_title(source, config.data.params) if is_task(source) else _short_path(source)
    rewards = ", ".join(f"{r.name} × {r.weight:g}" if r.weight else f"{r.name} (monitor)" for r in config.rewards)
    rollout, loss, optim = config.rollout, config.loss, config.optim
    parts = (
        f"model {config.model.source} ({'LoRA' if config.model.adapter == 'lora' else 'all weights'})",
        f"data {data}",
        f"rewards {rewards}",
        f"{loss.loss_type}, {rollout.prompts_per_step} prompts × {rollout.num_generations} completions a step",
        f"learning rate {optim.learning_rate:g}",
        f"β {loss.beta:g}",
    )
    return " · ".join(part.replace(" ", NBSP) if len(part) <= UNBROKEN else part for part in parts)


def _short_path(source: str) -> str:
    """A path by its folder and name; an upload, whose folder says nothing, by its name alone."""
    parts = Path(source).parts
    return "/".join(parts[-1:] if FOLDER in parts else parts[-2:])


def phase_words(status: RunStatus) -> str:
    """What the engine is doing: its phase, and how far it is."""
    beat = status.heartbeat
    if status.state in ("starting", "stopping", "stalled") or beat is None:
        return status.detail
    return f"{beat.phase}: {beat.detail}" if beat.detail else beat.phase


def eta(status: RunStatus, course: Course) -> str:
    """Time left at the speed of the recent steps, pauses such as evaluations included."""
    finished = course.metrics["finished_at"].tail(RECENT + 1)
    left = status.max_steps - status.step
    if left <= 0 or len(finished) < 2:
        return MISSING
    per_step = (finished.iloc[-1] - finished.iloc[0]) / (len(finished) - 1)
    return duration(left * per_step)


def tokens_per_second(course: Course) -> str:
    """Completion tokens per second of the recent steps."""
    recent = course.metrics[["completion_tokens", "step_time"]].tail(RECENT).sum(min_count=1)
    speed = recent["completion_tokens"] / recent["step_time"] if recent["step_time"] > 0 else math.nan
    return number(speed, 0 if speed >= 10 else 1)


def group_header_html(config: RunConfig, status: RunStatus) -> str:
    """Name and status, for the head of the Groups page."""
    name = f'<span class="lab-name">{as_html(config.name)}</span>'
    return f'<div class="lab-header">{chip_html(status.state)}{name}<span class="lab-muted">groups</span></div>'
