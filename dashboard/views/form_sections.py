"""The five sections of the New-run form: which fields each holds, when a field matters, and a summary in one line.

Pure: works on drafts, so every line here also has to survive a draft that is wrong.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from dashboard.views.form_model import Control, Draft, controls, escaped, get_value, short_number
from engine.config import RunConfig
from engine.config_scope import in_scope
from engine.data.tasks.registry import is_task, task_title

ALL_CONTROLS: tuple[Control, ...] = tuple(controls(RunConfig))
CONTROL: dict[str, Control] = {control.path: control for control in ALL_CONTROLS}

# What the many settings of the GRPO section are about, by the beginning of their paths.
HEADINGS: dict[str, tuple[str, ...]] = {
    "Sampling": ("rollout.",),
    "Loss": ("loss.",),
    "KL and reference": (
        "loss.beta", "loss.kl_estimator", "loss.use_bias_correction_kl", "loss.sync_ref_model", "loss.ref_model_",
    ),
    "Advantages": (
        "loss.scale_rewards", "loss.multi_objective_aggregation", "loss.baseline", "loss.skip_dead_groups",
    ),
    "Updates": ("loss.num_iterations", "loss.num_minibatches"),
    "Entropy": ("loss.entropy_", "loss.use_adaptive_entropy"),
}  # fmt: skip


@dataclass(frozen=True)
class FormSection:
    """One expander of the form. Its fields are those whose path begins with one of `prefixes`."""

    key: str
    title: str
    icon: str
    prefixes: tuple[str, ...]
    summary: Callable[[Draft], str]

    @property
    def controls(self) -> tuple[Control, ...]:
        return tuple(control for control in ALL_CONTROLS if self.holds(control.path))

    def holds(self, path: str) -> bool:
        return any(path == prefix or path.startswith((f"{prefix}.", f"{prefix}[")) for prefix in self.prefixes)


def is_shown(control: Control, draft: Draft) -> bool:
    """Whether a field means anything with the other settings as they are."""
    return in_scope(control.path, lambda path: get_value(draft, path))


def under_headings(fields: Iterable[Control]) -> list[tuple[str, list[Control]]]:
    """(heading, its fields) in the order of HEADINGS; fields of a section without headings stand under ""."""
    found: dict[str, list[Control]] = {heading: [] for heading in HEADINGS}
    for control in fields:
        found.setdefault(heading_of(control.path), []).append(control)
    return [(heading, controls) for heading, controls in found.items() if controls]


def heading_of(path: str) -> str:
    """The heading that a field of the GRPO section stands under; the nearest prefix decides."""
    matches = [(prefix, heading) for heading, prefixes in HEADINGS.items() for prefix in prefixes]
    return max(((p, h) for p, h in matches if path.startswith(p)), key=lambda match: len(match[0]), default=("", ""))[1]


def model_summary(draft: Draft) -> str:
    trained = (
        "all weights" if get_value(draft, "model.adapter") == "full" else f"LoRA r {_text(draft, 'model.lora_rank')}"
    )
    return _joined(source_name(get_value(draft, "model.source")) or "no model chosen", trained)


def data_summary(draft: Draft) -> str:
    source = get_value(draft, "data.source")
    name = (
        task_title(source, get_value(draft, "data.params", {})) if is_task(source) else source_name(source)
    ) or "no data chosen"
    mixed = len(get_value(draft, "data.mixture") or ())
    more = [f"mixed with {mixed} more"] if mixed else []
    return _joined(name, *more, f"{_text(draft, 'data.held_out')} held out")


def rewards_summary(draft: Draft) -> str:
    specs = [_reward(spec) for spec in get_value(draft, "rewards", [])]
    return _joined(*specs) or "none chosen"


def grpo_summary(draft: Draft) -> str:
    prompts, group = _text(draft, "rollout.prompts_per_step"), _text(draft, "rollout.num_generations")
    limit = _text(draft, "rollout.max_completion_length")
    return _joined(
        f"{prompts} prompts × {group} completions × {limit} tokens",
        _text(draft, "loss.loss_type"),
        f"β {_text(draft, 'loss.beta')}",
        *([f"ε {_text(draft, 'loss.epsilon')}"] if is_shown(CONTROL["loss.epsilon"], draft) else []),
    )


def budget_summary(draft: Draft) -> str:
    return _joined(
        f"{_text(draft, 'optim.max_steps')} steps",
        f"learning rate {_text(draft, 'optim.learning_rate')}",
        f"evaluated every {_text(draft, 'evaluation.every')}",
        f"seed {_text(draft, 'seed')}",
    )


SECTIONS: tuple[FormSection, ...] = (
    FormSection("model", "Model", ":material/neurology:", ("model",), model_summary),
    FormSection("data", "Data", ":material/dataset:", ("data",), data_summary),
    FormSection("rewards", "Rewards", ":material/star:", ("rewards",), rewards_summary),
    FormSection("grpo", "GRPO", ":material/groups:", ("rollout", "loss"), grpo_summary),
    FormSection(
        "budget",
        "Budget",
        ":material/timer:",
        ("optim", "evaluation", "checkpoint", "seed", "threads", "device"),
        budget_summary,
    ),
)


def source_name(source: Any) -> str:
    """A model or data source in a few letters: the file or folder name of a path, a name as it is."""
    text, *more = str(source or "").strip().splitlines() or [""]
    if more:
        return f"{PurePath(text).name} and {len(more)} more"
    return PurePath(text).name if text.startswith(("/", "~", ".")) or text.endswith(".gguf") else text


def shown_value(value: Any) -> str:
    """A setting as a person writes it."""
    if value is None:
        return "automatic"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return short_number(value)
    if isinstance(value, list | tuple):
        shown = [f'"{escaped(item)}"' if isinstance(item, str) else shown_value(item) for item in value]
        return ", ".join(shown) or "none"
    return str(value) if value != "" else "(empty)"


def shown_setting(path: str, value: Any) -> str:
    """The value of this setting as a person writes it; what an empty one means where it has none."""
    return CONTROL[path].empty if value is None and path in CONTROL else shown_value(value)


def _reward(spec: Any) -> str:
    name, weight = get_value({"spec": spec}, "spec.name"), get_value({"spec": spec}, "spec.weight", 1.0)
    return f"{name} as monitor" if weight == 0 else f"{name} × {shown_value(weight)}"


def _text(draft: Draft, path: str) -> str:
    return shown_setting(path, get_value(draft, path))


def _joined(*parts: str) -> str:
    return " · ".join(parts)
