"""A reward in verl's signature, with a helper as its own have."""

import re


def extract_solution(solution_str, method="strict"):
    found = re.findall(r"(-?[0-9.,]+)", solution_str)
    return found[-1].replace(",", "") if found else None


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    """The scoring function for sums."""
    answer = extract_solution(solution_str)
    right = answer is not None and answer == ground_truth
    return {"score": 1.0 if right else 0.0, "acc": right, "pred": answer}
