"""Reward files to begin with: each runs as it is, in one of the ways in which a reward may be written."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    label: str
    help: str
    text: str


TEMPLATES: dict[str, Template] = {
    "single": Template(
        "One completion at a time",
        "The simplest: a completion and its reference answer come in, a number goes out.",
        '''def reward(completion: str, answer: str) -> float | None:
    """1 where the completion is the right answer and nothing else, else 0."""
    return 1.0 if completion.strip().rstrip(".") == answer else 0.0
''',
    ),
    "trl": Template(
        "A batch, as in TRL",
        "All completions of a step at once, and a list of numbers back. A reward written for TRL runs unchanged.",
        '''def reward(completions, answer, log_metric=None, **kwargs):
    """1 where the last word is the right answer, minus a little for every word beyond twenty."""
    values = []
    for completion, right in zip(completions, answer):
        # Chat models give a list with one message, others a text.
        text = completion if isinstance(completion, str) else completion[0]["content"]
        too_many = max(0, len(text.split()) - 20)
        values.append((1.0 if text.split()[-1:] == [right] else 0.0) - 0.01 * too_many)
    if log_metric is not None:
        log_metric("longest", float(max(len(str(c)) for c in completions)))
    return values
''',
    ),
    "verl": Template(
        "As in verl",
        "compute_score of verl: one completion at a time; other numbers that it returns are recorded as metrics.",
        '''def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    """1 where what follows the last #### is the right answer, else 0."""
    stated = solution_str.rpartition("####")[2].strip()
    return {"score": 1.0 if stated == ground_truth else 0.0, "has_marker": float("####" in solution_str)}
''',
    ),
}
