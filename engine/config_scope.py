"""When a setting means anything: which settings act only together with others.

A form hides a setting that is out of scope, and config_advice.py names one that was changed all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.config_data import GYM, looks_like_hub
from engine.config_loss import CLIPPED
from engine.data.tasks.registry import is_task

Get = Callable[[str], Any]  # dotted field → its value; None where there is none, as in a draft that is still wrong


@dataclass(frozen=True)
class Scope:
    """Settings that act only where `holds`; `needs` completes "has no effect without …"."""

    fields: tuple[str, ...]
    needs: str
    holds: Callable[[Get], bool]


def in_scope(field: str, get: Get) -> bool:
    """Whether a setting means anything with the others as they are."""
    return all(scope.holds(get) for scope in SCOPES if field in scope.fields)


def _loss(*types: str) -> Callable[[Get], bool]:
    return lambda get: get("loss.loss_type") in types


def _on(field: str) -> Callable[[Get], bool]:
    return lambda get: bool(get(field))


def _has_files(get: Get) -> bool:
    source = get("data.source")
    return not is_task(source) and not str(source or "").startswith(GYM)


def _has_rows(get: Get) -> bool:
    """Whether any source of the data has rows that can be chosen and put in order; built-in tasks have none."""
    return not is_task(get("data.source")) or bool(get("data.mixture"))


def _is_hub(get: Get) -> bool:
    return looks_like_hub(str(get("data.source") or ""))


def _has_kl_penalty(get: Get) -> bool:
    """A draft's beta may be a text that is no number; then its neighbours stay, as they may be what is meant."""
    return bool(get("loss.beta") != 0)


def _loss_fields(*names: str) -> tuple[str, ...]:
    return tuple(f"loss.{name}" for name in names)


SCOPES: tuple[Scope, ...] = (
    Scope(("model.lora_rank", "model.lora_alpha"), "a LoRA adapter", lambda get: get("model.adapter") == "lora"),
    Scope(("data.params",), "a built-in task", lambda get: not _has_files(get)),
    Scope(("data.prompt_column", "data.answer_column", "data.split"), "a data file", lambda get: _has_files(get)),
    Scope(("data.subset", "data.revision"), "a data set of the Hub", lambda get: _is_hub(get)),
    Scope(("data.weight",), "other sources in the mixture", _on("data.mixture")),
    Scope(
        ("data.drop_duplicates", "data.drop_leaks", "data.pass_rates"),
        "rows of a file",
        lambda get: _has_rows(get),
    ),
    Scope(("data.order",), "rows of a file", lambda get: _has_rows(get)),
    Scope(("data.min_pass_rate", "data.max_pass_rate", "data.keep_unmeasured"), "pass_rates", _on("data.pass_rates")),
    Scope(
        ("data.difficulty_column",),
        "an order by difficulty",
        lambda get: get("data.order") in ("easy_first", "hard_first"),
    ),
    Scope(("rollout.max_sampling_rounds",), "dynamic_sampling", _on("rollout.dynamic_sampling")),
    Scope(
        _loss_fields("epsilon", "epsilon_high"), "a loss type that clips or caps the ratio", _loss(*CLIPPED, "cispo")
    ),
    Scope(_loss_fields("delta"), "a loss type that clips the ratio, such as dapo", _loss(*CLIPPED)),
    Scope(_loss_fields("sapo_temperature_pos", "sapo_temperature_neg"), "loss_type sapo", _loss("sapo")),
    Scope(
        _loss_fields("vespo_k_pos", "vespo_lambda_pos", "vespo_k_neg", "vespo_lambda_neg"),
        "loss_type vespo",
        _loss("vespo"),
    ),
    Scope(_loss_fields("kl_estimator", "use_bias_correction_kl"), "a beta above 0", _has_kl_penalty),
    Scope(  # a refresh that is on stays in sight, as with beta 0 it is refused and has to be turned off
        _loss_fields("sync_ref_model"),
        "a beta above 0",
        lambda get: _has_kl_penalty(get) or bool(get("loss.sync_ref_model")),
    ),
    Scope(_loss_fields("ref_model_sync_steps", "ref_model_mixup_alpha"), "sync_ref_model", _on("loss.sync_ref_model")),
    Scope(
        _loss_fields("entropy_target", "entropy_coef_min", "entropy_coef_max", "entropy_coef_delta"),
        "use_adaptive_entropy",
        _on("loss.use_adaptive_entropy"),
    ),
    Scope(
        _loss_fields("scale_rewards"),
        "multi_objective_aggregation sum_then_normalize",
        lambda get: get("loss.multi_objective_aggregation") != "normalize_then_sum",
    ),
    Scope(
        ("evaluation.early_stopping_threshold",),
        "early_stopping_patience",
        lambda get: get("evaluation.early_stopping_patience") is not None,
    ),
)
