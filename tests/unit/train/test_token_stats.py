"""What an update leaves behind of each token: alternatives, and its log-probability at the last update that used it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from engine.config import RunConfig
from engine.runs.reader import RunReader
from engine.train.forward import Forward, micro_batches
from engine.train.loop import run_engine
from engine.train.session import build_session
from tests.toy import CHARACTERS, EOS, PAD, toy_config, toy_policy
from tests.unit.train.conftest import make_run
from tests.unit.train.lessons import ADVANTAGES, LIVE_ROWS, ROWS, loss_config, moved_policy, update_on, weights


def keeping(config: RunConfig, num_alternatives: int) -> RunConfig:
    return config.model_copy(
        update={"rollout": config.rollout.model_copy(update={"num_alternatives": num_alternatives})}
    )


@pytest.mark.parametrize(
    "loss",
    [
        {},
        {"beta": 0.04, "entropy_coef": 0.01},
        {"num_iterations": 2, "num_minibatches": 2},
        {"top_entropy_quantile": 0.5},
    ],
    ids=str,
)
def test_keeping_alternatives_changes_no_weight_by_a_bit(loss: dict[str, Any]) -> None:
    moved = []
    for count in (0, 3):
        policy = moved_policy()
        result = update_on(policy, keeping(loss_config(16, **loss), count))
        moved.append((weights(policy), result.loss, result.grad_norm))
        assert {stats.alternative_ids.shape[1] for stats in result.tokens} == {count}
    assert torch.equal(moved[0][0], moved[1][0]) and moved[0][1:] == moved[1][1:]


@pytest.mark.parametrize("slow", [False, True], ids=["shared prompt", "whole model"])
def test_the_alternatives_are_those_of_the_policy_that_sampled(slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if slow:
        monkeypatch.setattr(Forward, "_compare", lambda *_: "asked for")
    policy = toy_policy()
    row = ROWS[3]
    sequence = torch.tensor([[*row.prompt, *row.completion]])
    logits = policy.model(input_ids=sequence).logits[0, len(row.prompt) - 1 : -1]
    expected = logits.log_softmax(dim=1).topk(3, dim=1)
    result = update_on(policy, keeping(loss_config(num_iterations=3), 3))
    stats = result.tokens[3]
    assert stats.alternative_ids.tolist() == expected.indices.tolist()
    assert_close(stats.alternative_logprobs, expected.values.detach(), rtol=0.0, atol=1e-5)  # another order of sums


def test_with_one_update_no_later_log_probability_is_kept() -> None:
    assert all(stats.update_logprobs is None for stats in update_on(toy_policy(), loss_config()).tokens)


def test_with_several_updates_those_of_the_last_one_are_kept_of_each_completion_that_it_used() -> None:
    before_last, policy = toy_policy(), toy_policy()
    update_on(before_last, loss_config(num_iterations=2))
    result = update_on(policy, loss_config(num_iterations=3))
    assert [i for i, stats in enumerate(result.tokens) if stats.update_logprobs is not None] == LIVE_ROWS
    (batch,) = micro_batches([ROWS[2]], 10_000, 0, torch.device("cpu"))
    expected = Forward(before_last, 1.0, [2, 3])(before_last.model, batch).logprobs.detach()
    assert_close(result.tokens[2].update_logprobs, expected, rtol=0.0, atol=1e-5)  # sums in another order
    assert float((expected - result.tokens[2].logprobs).abs().max()) > 1e-3  # it has moved since it sampled


def test_an_update_that_was_left_out_used_nothing() -> None:
    advantages = torch.where(ADVANTAGES == 1.0, torch.tensor(float("nan")), ADVANTAGES)
    result = update_on(toy_policy(), loss_config(num_iterations=2), advantages)
    assert result.skipped
    assert all(stats.update_logprobs is None for stats in result.tokens)


@pytest.mark.parametrize("count", [0, 3])
def test_a_run_stores_every_alternative_with_its_text_and_the_special_ones_as_such(tmp_path: Path, count: int) -> None:
    paths = make_run(tmp_path / "r", toy_config(rollout={"num_alternatives": count}, optim={"max_steps": 1}))
    assert run_engine(paths) == "finished"
    for tokens in RunReader(paths.db).step_tokens(1).values():
        for place in range(len(tokens.ids)):
            found = tokens.alternatives(place)
            assert len(found) == count
            assert [tokens.piece(token) for token, _ in found] == [CHARACTERS[token] for token, _ in found]
            shares = dict(found)
            own = int(tokens.ids[place])
            assert shares.get(own, 0.0) in (0.0, pytest.approx(float(np.exp(tokens.logprobs[place])), rel=2e-3))
        assert {CHARACTERS[i] for i, (_, special) in tokens.vocabulary.items() if special} <= {"<eos>", "<pad>"}


def test_the_steps_of_a_run_are_the_same_whatever_number_of_alternatives_it_keeps(tmp_path: Path) -> None:
    digests = []
    for count in (0, 3):
        paths = make_run(tmp_path / str(count), toy_config(rollout={"num_alternatives": count}))
        assert run_engine(paths) == "finished"
        digests.append(RunReader(paths.db).steps()["digest"].tolist())
    assert digests[0] == digests[1]


def test_a_special_token_is_known_as_such_and_has_a_name_even_where_it_stands_for_no_text() -> None:
    session = build_session(toy_config(), progress=lambda _: None)
    assert session.piece(EOS) == ("<eos>", True) and session.piece(PAD) == ("<pad>", True)
    assert session.piece(3) == ("1", False)
    silent = build_session(toy_config(), progress=lambda _: None)
    silent.policy.tokenizer.decode = lambda ids: ""
    assert silent.piece(EOS) == ("<eos>", True) and silent.piece(3) == ("", False)
