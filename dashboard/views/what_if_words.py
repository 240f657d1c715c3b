"""What a what-if says in words. Pure."""

import math

import numpy as np

from dashboard.live_plot import Tone
from dashboard.views.what_if_table import GroupChange
from dashboard.wording import number, percent, plural
from engine.analysis.late_weights import LateWeights
from engine.config_loss import CLIPPED, LossConfig, updates_per_batch, upper_epsilon
from engine.glossary import TERMS

SIGNAL = {True: "with signal", False: "without signal"}


def group_words(change: GroupChange, live_before: bool, live_after: bool, is_trained: bool) -> str:
    """What the change does to a group, in a sentence of HTML."""
    before, after = SIGNAL[bool(live_before)], SIGNAL[bool(live_after)]
    if not is_trained:
        words = f"<b>This group: discarded, {before} → {after}.</b> "
        words += "The run gave it no advantages. After: as if it had been among those that the step trained on."
    elif live_before != live_after:
        words = f"<b>This group: {before} → {after}.</b>"
    else:
        words = f"<b>This group: {before}, {_kept(change)} as in the run.</b>"
    flips, total = int(change.advantages.flips().sum()), len(change.advantages.before)
    if flips:
        words += f" {flips} of {plural(total, 'advantage')} change{'s' if flips == 1 else ''} the sign (⇄)."
    return f"<div>{words}</div>"


def _kept(change: GroupChange) -> str:
    """How far the advantages are those of the run; completions beyond a smaller group do not count."""
    before, after = change.advantages.before, change.advantages.after
    apart = np.abs(after - before)[~np.isnan(after)]
    if (apart <= 1e-6).all():
        return "the same advantages"
    return "almost the same advantages" if (apart < 5e-4).all() else "not the same advantages"


def epsilon_words(loss: LossConfig) -> str:
    """When ε matters with this loss; empty where nothing needs saying."""
    if loss.loss_type == "cispo":
        cap = upper_epsilon(loss)
        held = f"so every token weighs {cap:g} from the start" if cap < 1 else "which no ratio of 1 reaches"
        return f"cispo: no token weighs more than ε upwards, {cap:g}, {held}. ε downwards does not matter."
    if loss.loss_type not in CLIPPED:
        return f"{loss.loss_type} has no clip, so ε does not matter."
    if updates_per_batch(loss) == 1:
        return (
            "ε changes nothing here: with one update per batch every ratio is exactly 1, inside of any clip. It acts "
            "once a run has several iterations or mini-batches."
        )
    return (
        f"ε changes no weight of the table: those are of the first of {updates_per_batch(loss)} updates of a step, "
        "where every ratio is 1. In the later ones it decides from which ratio on a token stops being pushed; where "
        "those ratios were measured, it is told below the table."
    )


def late_words(before: LateWeights, after: LateWeights, loss: LossConfig) -> str:
    """What was held back at the last update, and what would have been; empty where it was not measured."""
    if not before.num_tokens:
        return ""
    words = (
        f"At the last of {updates_per_batch(loss)} updates, with the ratios that the run came to: "
        f"{before.held:,} of {plural(before.num_tokens, 'token')} with an advantage had weight 0, and the mean weight "
        f"was {number(before.mean)}."
    )
    if before == after:
        return words
    return f"{words} With these settings: {after.held:,} of {after.num_tokens:,}, and {number(after.mean)}."


def weight_words(loss: LossConfig, *, stepwise: bool) -> str:
    """What stands in the last column, and what it leaves out."""
    term = TERMS["token_weight"]
    words = f"{term.label}: {term.help[0].lower()}{term.help[1:]} {term.look_for}"
    if loss.num_minibatches > 1:
        words += f" Of an update with its share, 1 / {loss.num_minibatches}, of the step's completions."
    if loss.top_entropy_quantile < 1:
        words += f" On the {percent(loss.top_entropy_quantile)} most uncertain tokens; 0 on the others."
    if loss.mask_truncated_completions:
        words += " Completions that were cut off have none."
    if stepwise:
        words += " Under process supervision each token has its own advantage; here is the mean of a completion."
    return words


def group_size_words(size: int, stored: int) -> str:
    """Which completions a smaller group has; empty when it is not smaller."""
    return "" if size >= stored else f"A group of {size}: its first {size} completions as sampled, of {stored}."


def share_change(before: float, after: float) -> tuple[str, Tone]:
    """The difference of two shares, where less is better, with its tone."""
    points = round(100 * (after - before)) if math.isfinite(after - before) else 0
    if points == 0:
        return "= 0 points" if math.isfinite(after - before) else "", ""
    return (f"▲ {points} points", "bad") if points > 0 else (f"▼ {-points} points", "good")


def direction(factor: float) -> str:
    """Whether that is more or less than before."""
    if math.isnan(factor) or abs(factor - 1) < 0.005:
        return "as before"
    return "stronger" if factor > 1 else "weaker"
