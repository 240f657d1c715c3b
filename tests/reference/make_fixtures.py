"""Writes the JSON files beside it: what TRL 1.16.0 computes for stored inputs. The tests then need no TRL.

    python tests/reference/make_fixtures.py      (a Python with trl==1.16.0 and torch==2.13.0 on a CPU)

It writes the same bytes each time: inputs come from a seeded generator of the standard library, numbers are float32 in
their shortest form that reads back as the same float32, and torch runs in one thread. `inputs_sha256` is the hash of
what went in, so that a test notices a file edited by hand.
"""

import dataclasses
import hashlib
import itertools
import json
import logging
import math
import random
from pathlib import Path

import numpy as np
import torch
import trl
from torch import Tensor
from trl_driver import FIRST_ROW_ID, forward_of_stored, generation_for, micro_batch_loss, trainer_for

HERE = Path(__file__).parent
LOSS_TYPES = ("grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo")
LIMIT = 9  # max_completion_length: longer than every completion, so that dr_grpo's constant shows
METRICS = (
    "kl", "entropy", "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean", "cispo_clip_ratio",
    "vespo/phi_seq_mean", "policy_loss", "entropy_coef",
)  # fmt: skip


def token_inputs(generator: random.Random, shifts: list[float], lengths: list[int], width: int) -> dict:
    """[B, width] log-probabilities and entropies; row i's log ratio is around shifts[i]. Rounded, to be readable."""

    def table(value) -> list[list[float]]:
        return [[round(value(row, place), 3) for place in range(width)] for row in range(len(shifts))]

    old = table(lambda row, place: -2.5 - abs(generator.gauss(0, 1)))
    logprobs = table(lambda row, place: old[row][place] + shifts[row] + generator.gauss(0, 0.35))
    ref = table(lambda row, place: logprobs[row][place] + generator.gauss(0, 0.6))
    entropies = table(lambda row, place: 0.05 + abs(generator.gauss(0, 0.8)))
    mask = [[int(place < length) for place in range(width)] for length in lengths]
    return {"logprobs": logprobs, "old_logprobs": old, "ref_logprobs": ref, "entropies": entropies, "mask": mask}


def loss_inputs() -> dict:
    """Named inputs of one micro-batch.

    plain: at both levels ratios beyond each clip bound with either sign of A, beyond delta, within, and an A of 0.
    cut: the same with the first completion masked. process: advantages for each token. far: log ratios beyond the
    bounds of vespo. eleven: 11 tokens, where 0.3 x 10 is not quite 3 in floating point.
    single: one token each, the third masked.
    """
    generator = random.Random(20_240_203)
    plain = token_inputs(generator, [1.0, -0.6, 0.5, -0.5, 0.03, 0.2], [7, 5, 6, 3, 7, 4], 7)
    plain["advantages"] = [-1.1, -0.7, 1.3, 0.9, -0.4, 0.0]
    cut = plain | {"mask": [[0] * 7, *plain["mask"][1:]]}
    steps = [[round(generator.gauss(0, 1), 3) for _ in range(7)] for _ in range(6)]
    process = plain | {
        "advantages": [[a * m for a, m in zip(*pair, strict=True)] for pair in zip(steps, plain["mask"], strict=True)]
    }
    far = token_inputs(generator, [0.0] * 4, [4, 4, 3, 2], 4)
    far["old_logprobs"] = [[-1.0] * 4, [-25.0, -25.0, -1.0, -1.0], [-26.0, -2.0, -3.0, -1.0], [-2.0, -1.5, -1.0, -1.0]]
    far["logprobs"] = [
        [-26.0, -4.0, -3.5, -2.0],
        [-1.0, -1.0, -25.5, -21.0],
        [-1.0, -26.0, -2.0, -1.0],
        far["logprobs"][3],
    ]
    far["advantages"] = [0.8, -0.6, 1.2, -1.0]
    eleven = token_inputs(generator, [0.1, -0.1], [6, 5], 6) | {"advantages": [0.7, -0.7]}
    single = token_inputs(generator, [-1.5, 0.6, 0.1], [1, 1, 0], 1) | {"advantages": [-1.0, 0.5, 0.5]}
    return {"plain": plain, "cut": cut, "process": process, "far": far, "eleven": eleven, "single": single}


def loss_cases() -> list[dict]:
    """Inputs and config of each case; every loss type with every combination of the options that touch it."""
    cases = []
    options = itertools.product(
        LOSS_TYPES, ("token", "sequence"), (0.0, 0.04), ({}, {"delta": 2.0}),
        ({}, {"off_policy_mask_threshold": 0.4}, {"top_entropy_quantile": 0.4}), ("plain", "cut"),
    )  # fmt: skip
    for loss_type, level, beta, delta, masks, inputs in options:
        config = {"loss_type": loss_type, "importance_sampling_level": level, "beta": beta, "epsilon_high": 0.28}
        cases.append({"inputs": inputs, "config": config | delta | masks})
    for loss_type, level in itertools.product(LOSS_TYPES, ("token", "sequence")):
        base = {"loss_type": loss_type, "importance_sampling_level": level, "beta": 0.1}
        both = {"off_policy_mask_threshold": 0.4, "top_entropy_quantile": 0.7}
        for inputs, config in (
            ("plain", {"use_bias_correction_kl": False}),
            ("plain", {"epsilon_high": 1.5, "epsilon": 0.1}),
            ("plain", both),
            ("plain", {"entropy_coef": 0.3}),
            ("cut", {"entropy_coef": 0.3} | both),
            ("process", {}),
            ("process", {"off_policy_mask_threshold": 0.4, "delta": 1.5}),
            ("eleven", {"top_entropy_quantile": 0.7, "entropy_coef": 0.2}),
            ("eleven", {"top_entropy_quantile": 0.0}),
        ):
            cases.append({"inputs": inputs, "config": base | config})
    for config in (
        {"loss_type": "sapo", "sapo_temperature_pos": 0.4, "sapo_temperature_neg": 3.0},
        {
            "loss_type": "vespo",
            "vespo_k_pos": 0.1,
            "vespo_lambda_pos": 0.2,
            "vespo_k_neg": 0.3,
            "vespo_lambda_neg": 1.5,
        },
    ):
        cases += [{"inputs": inputs, "config": {"beta": 0.0} | config} for inputs in ("plain", "process")]
    for k, lam in ((0.1, 3.0), (3.0, 0.1), (100.0, 1e-6), (0.05, 0.0)):
        config = {"vespo_k_pos": k, "vespo_k_neg": k, "vespo_lambda_pos": lam, "vespo_lambda_neg": lam}
        cases.append({"inputs": "far", "config": {"loss_type": "vespo", "beta": 0.0} | config})
    for loss_type in LOSS_TYPES:  # where we differ: see test_differences.py
        cases.append({"inputs": "single", "config": {"loss_type": loss_type, "beta": 0.0}})
    cases.append({"inputs": "plain", "config": {"loss_type": "dapo", "beta": 0.0, "epsilon_high": 0.5, "delta": 1.2}})
    return cases


def loss_results(inputs: dict, cases: list[dict]) -> list[dict]:
    tensors = {name: {k: torch.tensor(v) for k, v in values.items()} for name, values in inputs.items()}
    results = []
    for case in cases:
        rows = len(tensors[case["inputs"]]["mask"])
        trainer = trainer_for(case["config"] | {"max_completion_length": LIMIT}, rows, rows)
        loss, gradient, entropy_gradient = micro_batch_loss(trainer, tensors[case["inputs"]])
        result = {"loss": short(loss), "gradient": short(gradient), "metrics": metrics(trainer)}
        if entropy_gradient is not None:
            result["entropy_gradient"] = short(entropy_gradient)
        results.append(result)
    return results


def metrics(trainer) -> dict:
    logged = trainer._metrics["train"]
    return {name: short(logged[name][-1]) for name in METRICS if name in logged}


def advantage_cases() -> list[dict]:
    """Rewards [B][R] (null: missing), weights and settings."""
    generator = random.Random(7)
    drawn = [[round(generator.uniform(-2, 3), 2) for _ in range(3)] for _ in range(12)]
    missing = [[None if generator.random() < 0.3 else value for value in row] for row in drawn]
    missing[4] = [None, None, None]
    tables = {
        "one function": ([[1.0], [0.0], [0.0], [0.0], [2.0], [1.0], [1.0], [0.0]], [1.0]),
        "three functions": (drawn, [1.0, 0.5, 2.0]),
        "negative weight": (drawn, [1.0, -0.5, 0.25]),
        "missing values": (missing, [1.0, 0.5, 2.0]),
        "rows and a group without any value": (
            [[1.0], [None], [0.0], [0.5], *[[None]] * 4, [2.0], [0.0], [1.0], [1.0]], [1.0],
        ),
        "one scored in its group": ([[1.0], [None], [None], [None], [2.0], [0.0], [1.0], [1.0]], [1.0]),
        "one scored by one of two functions": (
            [[1.0, 0.5], [None, 1.5], [None, 0.0], [None, 0.25], [2.0, 1.0], [0.0, 0.0], [1.0, 3.0], [1.0, 1.0]],
            [1.0, 2.0],
        ),
        "equal groups": ([[0.5, 1.0]] * 4 + [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]], [1.0, 1.0]),
        "all equal": ([[0.5]] * 8, [1.0]),
        "an equal group whose mean rounds": ([[0.99]] * 7 + [[value / 4] for value in range(7)], [1.0]),
        "one missing in one equal group": ([[1.0], [1.0], [None], [1.0], [0.0], [0.0], [1.0], [0.0]], [1.0]),
        "a monitor that is missing": ([[1.0, None], [0.0, 7.0], [0.0, None], [0.0, 3.0]], [1.0, 0.0]),
        "only the monitor has a value": ([[1.0, 2.0], [None, 7.0], [0.0, None], [0.5, 3.0]], [1.0, 0.0]),
    }  # fmt: skip
    settings = [{"scale_rewards": scale} for scale in ("group", "batch", "none")]
    settings.append({"multi_objective_aggregation": "normalize_then_sum"})
    return [
        {
            "name": name, "rewards": rewards, "group_size": 7 if "rounds" in name else 4,
            "config": setting | {"reward_weights": weights},
        }
        for (name, (rewards, weights)), setting in itertools.product(tables.items(), settings)
    ]  # fmt: skip


def advantage_results(cases: list[dict]) -> list[dict]:
    results = []
    for case in cases:
        rows = len(case["rewards"])
        trainer = trainer_for(case["config"] | {"beta": 0.0}, case["group_size"], rows)
        batch = generation_for(trainer, [2] * rows, [], case["rewards"])
        stored = {"old_logprobs": torch.zeros(rows, 2), "entropies": torch.zeros(rows, 2)}
        forward_of_stored(trainer, stored, torch.zeros(rows, 2))
        advantages = trainer._generate_and_score_completions(batch)["advantages"]
        logged = {
            name: short(trainer._metrics["train"][name][-1])
            for name in ("reward", "reward_std", "frac_reward_zero_std")
        }
        results.append({"advantages": short(advantages), "metrics": logged})
    return results


def update_inputs() -> dict:
    """A generation batch: 4 prompts x 2 completions of up to 6 tokens; rows 1 and 6 hit the length limit."""
    generator = random.Random(11)
    lengths = [2, 6, 4, 3, 5, 2, 6, 3]
    stored = token_inputs(generator, [0.4, -0.3, 0.1, 0.0, -0.5, 0.6, 0.9, -0.1], lengths, 6)
    rewards = [[1.0], [0.0], [0.3], [0.9], [0.0], [0.25], [1.0], [0.5]]
    return stored | {"lengths": lengths, "truncated": [1, 6], "rewards": rewards}


def update_cases() -> list[dict]:
    """Four micro-batches of two rows a generation, in windows of 4, 2 or 1, with and without entropy settings."""
    cases = [
        {"config": {"loss_type": loss_type, "beta": 0.05, "mask_truncated_completions": masked}, "window": window}
        for loss_type, window, masked in itertools.product(LOSS_TYPES, (4, 2, 1), (False, True))
    ]
    for extra in ({"top_entropy_quantile": 0.5}, {"entropy_coef": 0.4}, {"num_iterations": 2}):
        cases += [{"config": {"loss_type": kind, "beta": 0.05} | extra, "window": 2} for kind in ("grpo", "dapo")]
    return cases


def update_results(inputs: dict, cases: list[dict]) -> list[dict]:
    """For each accumulation window: the rows of each micro-batch, the sum of the losses, the gradient [8, 6]."""
    stored = {name: torch.tensor(inputs[name]) for name in ("logprobs", "old_logprobs", "ref_logprobs", "entropies")}
    results = []
    for case in cases:
        torch.manual_seed(7)  # TRL shuffles the generation batch with the global generator
        trainer = trainer_for(
            case["config"], 2, 2, gradient_accumulation_steps=case["window"], steps_per_generation=4,
            max_completion_length=LIMIT,
        )  # fmt: skip
        batch = generation_for(trainer, inputs["lengths"], inputs["truncated"], inputs["rewards"])
        windows = []
        for _ in range(4 * trainer.num_iterations // case["window"]):
            leaf = stored["logprobs"].clone().requires_grad_()
            forward_of_stored(trainer, stored, leaf)
            window: dict = {"rows": [], "loss": 0.0}
            for _ in range(case["window"]):
                part = trainer._prepare_inputs(batch)
                loss = trainer._compute_loss(trainer.model, part)
                loss.backward()
                trainer._step += 1
                window["rows"].append((part["completion_ids"][:, 0] - FIRST_ROW_ID).tolist())
                window["loss"] += loss.item()
            windows.append(window | {"loss": short(window["loss"]), "gradient": short(leaf.grad)})
        on_policy = case["window"] % (4 * trainer.num_iterations) == 0
        results.append({"windows": windows, "on_policy": on_policy})
    return results


def control_inputs() -> dict:
    """Entropies of one token in each of two completions and two micro-batches, for 16 updates; and their masks.

    equal: both micro-batches count the same number of tokens. unequal: 3 and 1, where TRL's mean of means shows.
    empty: none.
    """
    levels = [0.5, 0.25, 0.2, 0.2, 0.1, 0.2, 0.3, 0.4, 0.4, 0.5, 0.3, 0.3, 0.1, 0.1, 0.6, 0.1]
    spread = [[[1.0, 0.8], [1.2, 1.0]], [[0.6, 1.4], [1.0, 1.0]]]
    entropies = [[[[round(level * s, 4) for s in row] for row in part] for part in spread] for level in levels]
    entropies[1] = [[[0.25, 0.25], [0.25, 0.25]]] * 2  # exactly at the target
    full = [[1, 1], [1, 1]]
    return {
        "entropies": entropies,
        "masks": {
            "equal": [full, full],
            "unequal": [[[1, 1], [1, 0]], [[1, 0], [0, 0]]],
            "empty": [[[0, 0], [0, 0]]] * 2,
        },
    }


def control_cases() -> list[dict]:
    adaptive = {
        "use_adaptive_entropy": True, "entropy_target": 0.25, "entropy_coef_delta": 0.05, "entropy_coef_min": 0.04,
        "entropy_coef_max": 0.18,
    }  # fmt: skip
    return [
        {"masks": masks, "config": {"loss_type": "dapo", "beta": 0.0} | config}
        for masks in ("equal", "unequal", "empty")
        for config in ({"entropy_coef": 0.1}, {"entropy_coef": 0.1} | adaptive, adaptive)
    ]


def control_results(inputs: dict, cases: list[dict]) -> list[dict]:
    """For each update: its loss, summed over two micro-batches, and the coefficient after it."""
    zeros = torch.zeros(2, 2)
    results = []
    for case in cases:
        trainer = trainer_for(case["config"], 2, 2, gradient_accumulation_steps=2)
        updates = []
        for parts in inputs["entropies"]:
            loss = 0.0
            for number, entropies in enumerate(parts):
                trainer.accelerator.sync_gradients = number == 1
                tensors = dict.fromkeys(("logprobs", "old_logprobs", "ref_logprobs"), zeros)
                tensors |= {"entropies": torch.tensor(entropies), "advantages": torch.zeros(2)}
                tensors["mask"] = torch.tensor(inputs["masks"][case["masks"]][number])
                loss += micro_batch_loss(trainer, tensors)[0]
            updates.append({"loss": short(loss), "coef": trainer.entropy_coef})
        results.append({"updates": updates})
    return results


def default_settings() -> dict:
    """Every plain setting of GRPOConfig with its default, for those that we have under the same name."""
    plain = (bool, int, float, str, type(None))
    defaults = {f.name: f.default for f in dataclasses.fields(trl.GRPOConfig)}
    return {name: value for name, value in sorted(defaults.items()) if isinstance(value, plain) and "hub" not in name}


def short(value):
    """Numbers of a tensor, or one number, as the shortest decimal that reads back as the same float32; NaN: null."""
    if isinstance(value, Tensor):
        return short(value.tolist())
    if isinstance(value, list):
        return [short(item) for item in value]
    return None if math.isnan(value) else float(str(np.float32(value)))


def write(name: str, inputs: object, cases: list[dict], results: list[dict]) -> None:
    """One case a line."""
    sent = json.dumps([inputs, cases], sort_keys=True)
    head = {
        "trl": trl.__version__, "torch": torch.__version__.split("+")[0],
        "inputs_sha256": hashlib.sha256(sent.encode()).hexdigest(), "inputs": inputs,
    }  # fmt: skip
    lines = [json.dumps({"case": case, "result": result}) for case, result in zip(cases, results, strict=True)]
    text = json.dumps(head)[:-1] + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n"
    (HERE / name).write_text(text)


def main() -> None:
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)  # TRL's advice on unusual combinations, which are what is compared here
    inputs, cases = loss_inputs(), loss_cases()
    write("loss.json", inputs, cases, loss_results(inputs, cases))
    cases = advantage_cases()
    write("advantages.json", None, cases, advantage_results(cases))
    inputs, cases = update_inputs(), update_cases()
    write("update.json", inputs, cases, update_results(inputs, cases))
    inputs, cases = control_inputs(), control_cases()
    write("entropy_control.json", inputs, cases, control_results(inputs, cases))
    write("defaults.json", None, [{}], [default_settings()])


if __name__ == "__main__":
    main()
