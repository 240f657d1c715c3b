"""When things happen: steps, warm-up, evaluations and checkpoints, which TRL counts in optimizer updates."""

import math
from fractions import Fraction

from engine.trl.fields import is_default
from engine.trl.translation import Translation

SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant", "constant_with_warmup": "constant"}
MOST_CHECKPOINTS = 1000  # what checkpoint.keep accepts
COUNTED = "TRL counts optimizer updates, of which a step here makes {updates}."


def take_schedule(t: Translation, updates: Fraction) -> None:
    """Everything that is counted in steps; `updates` are TRL's steps in one of ours."""
    total = _take_max_steps(t, updates)
    _take_warmup(t, updates, total)
    _take_decay(t)
    _take_reference(t, updates)
    _take_evaluation(t, updates, total)
    _take_checkpoints(t, updates, total)
    _take_best_model(t)


def in_steps(count: float, updates: Fraction) -> int:
    """So many of TRL's steps as steps of ours, at least one."""
    return max(1, math.ceil(count / updates))


def _counted(updates: Fraction) -> str:
    return "" if updates == 1 else COUNTED.format(updates=f"{float(updates):g}")


def _take_max_steps(t: Translation, updates: Fraction) -> int:
    given = t.number("max_steps", -1)
    if given is not None and given > 0:
        total = in_steps(given, updates)
        t.take("optim.max_steps", total, "max_steps", note=_counted(updates))
        return total
    kept = t.current("optim.max_steps")
    total = kept if isinstance(kept, int) and kept > 0 else int(t.settings["optim"]["max_steps"])
    prompts = t.settings["rollout"]["prompts_per_step"]
    note = (
        f"TRL counts passes over the data, here a run has a number of steps, which was left as it is. One pass is the "
        f"number of examples / {prompts} steps."
    )
    t.take("optim.max_steps", total, "num_train_epochs", note=note, always=True)
    t.told.add("max_steps")
    return total


def _take_warmup(t: Translation, updates: Fraction, total: int) -> None:
    count, ratio = t.number("warmup_steps"), t.number("warmup_ratio")
    if count is None or ratio is None:
        return
    name = "warmup_steps" if count or not ratio else "warmup_ratio"
    if t.text("lr_scheduler_type") == "constant" and (count or ratio):
        t.take("optim.warmup_steps", 0, name, note="The schedule constant of TRL has no warm-up, whatever this says.")
        return
    share = count if 0 < count < 1 else ratio if not count else 0
    steps = math.ceil(total * share) if share else in_steps(count, updates) if count else 0
    note = "TRL's first update has rate 0; here the rate of step n of the warm-up is n / its length. " if steps else ""
    note += f"A share of the {total} steps." if share else _counted(updates) if steps else ""
    t.take("optim.warmup_steps", min(steps, total), name, note=note.strip())


def _take_decay(t: Translation) -> None:
    kind = t.text("lr_scheduler_type") or "linear"
    ours = SCHEDULES.get(kind) or ("cosine" if kind.startswith("cosine") else "linear")
    note = "" if kind in SCHEDULES else "There is no such schedule here; the nearest one is taken."
    t.take("optim.lr_scheduler_type", ours, "lr_scheduler_type", note=note)


def _take_reference(t: Translation, updates: Fraction) -> None:
    if t.settings["loss"].get("sync_ref_model") is True:
        steps = in_steps(t.whole("ref_model_sync_steps"), updates)
        t.take("loss.ref_model_sync_steps", steps, "ref_model_sync_steps", note=_counted(updates))


def _take_evaluation(t: Translation, updates: Fraction, total: int) -> None:
    """How often to evaluate, when the config says anything about it."""
    name = "evaluation_strategy" if t.is_given("evaluation_strategy") else "eval_strategy"
    if not t.is_given(name, "eval_steps"):
        return
    strategy = t.text(name) or "no"
    if strategy == "steps":
        steps = "logging_steps" if is_default("eval_steps", t.get("eval_steps")) else "eval_steps"
        every, note = _every(t, steps, updates, total)
        t.take("evaluation.every", every, name, steps, note=f"Also before and after training. {note}".strip())
    elif strategy == "no":
        note = "Held-out examples are always evaluated before and after training; with this, not in between."
        t.take("evaluation.every", total, name, note=note)
    else:
        t.leave("There are no epochs here; how often to evaluate was left as it is.", name)
    _take_evaluation_group(t, strategy)


def _take_evaluation_group(t: Translation, strategy: str) -> None:
    if t.get("num_generations_eval") is not None:
        t.take("evaluation.num_generations", t.whole("num_generations_eval"), "num_generations_eval")
    elif strategy != "no":
        note = "TRL evaluates with whole groups unless num_generations_eval says otherwise."
        t.take("evaluation.num_generations", t.whole("num_generations", 2), "num_generations", note=note)


def _every(t: Translation, name: str, updates: Fraction, total: int) -> tuple[int, str]:
    """(steps of ours, note) of a field that counts updates or, below 1, is a share of the whole run."""
    value = t.number(name) or 1
    if value < 1:
        return max(1, math.ceil(total * value)), f"A share of the {total} steps."
    return in_steps(value, updates), _counted(updates)


def _take_checkpoints(t: Translation, updates: Fraction, total: int) -> None:
    """How often to save and how much to keep, when the config says anything about it."""
    strategy = t.text("save_strategy") or "steps"
    if strategy == "no" and t.is_given("save_strategy"):
        note = "A checkpoint is always saved at the end, and where a run is stopped."
        t.take("checkpoint.every", total, "save_strategy", note=note)
    elif strategy in ("epoch", "best"):
        t.leave("Checkpoints are saved every so many steps, which was left as it is.", "save_strategy")
    elif t.is_given("save_steps"):
        every, note = _every(t, "save_steps", updates, total)
        t.take("checkpoint.every", every, "save_steps", note=note)
    if t.get("save_total_limit") is not None:
        t.take("checkpoint.keep", t.whole("save_total_limit"), "save_total_limit")
    elif t.is_given("save_total_limit"):
        saved = math.ceil(total / max(1, _whole(t.settings["checkpoint"].get("every"))))
        note = "TRL keeps all checkpoints; this is their number."
        t.take("checkpoint.keep", min(max(saved, 1), MOST_CHECKPOINTS), "save_total_limit", note=note)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 1


def _take_best_model(t: Translation) -> None:
    """Which checkpoint to keep for its score: TRL's metrics are means of rewards, or the loss."""
    at_end = t.switch("load_best_model_at_end") or t.get("save_strategy") == "best"
    metric = t.text("metric_for_best_model") or ("loss" if at_end else None)
    if metric is None:
        return
    names = ("metric_for_best_model", "load_best_model_at_end")
    plain = metric.removeprefix("eval_")
    if plain == "loss" or (t.get("greater_is_better") is False and not plain.endswith("loss")):
        t.leave("A lower loss is no better policy in GRPO; no checkpoint is kept for its score.", *names)
        t.told.add("greater_is_better")
        return
    note = "It stays beside the newest ones; the run ends with the newest weights." if at_end else ""
    if plain != "reward":
        note = f"There is no {plain} here; the held-out total reward is the nearest. {note}".strip()
    t.take("checkpoint.metric_for_best_model", "reward", *names, note=note)
    t.told.add("greater_is_better")
