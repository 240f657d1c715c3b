"""Everything a run needs in memory, built once from its configuration."""

import hashlib
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path

import torch

from engine import __version__
from engine.config import RunConfig
from engine.config_io import pass_reward
from engine.data.answers import check_answers
from engine.data.examples import Dataset, open_dataset
from engine.data.prompts import Renderer, check_lengths, drop_long
from engine.errors import ConfigError, ModelError, Problem
from engine.grpo.entropy_control import EntropyControl
from engine.models.load import load_policy
from engine.models.policy import Policy
from engine.rewards.protocol import TrainerState
from engine.rewards.score import BoundReward, bind_rewards, close_rewards
from engine.rewards.worker.ready import check_ready
from engine.rollout.sampler import decoding_error
from engine.rollout.stop_strings import StopStrings
from engine.train.failures import FailureWatch
from engine.train.forward import AGREEMENT, Forward
from engine.train.logged import LoggedNames

SAMPLE = 200  # examples whose columns are looked at
FIRST_OF_ENDLESS = 64  # examples of a built-in task that stand for all of them


@dataclass
class Session:
    """The parts of a run, and what of them changes from step to step: all that a checkpoint has to hold.

    `next_example`: the position in the training data of the next prompt. `short_of_signal`: dynamic sampling did not
    fill the last step; only the log depends on it, so it is not saved. `reference_moved`: the reference is no longer
    the base model, so a checkpoint has to hold it. `pieces` caches token id → (text, is special) for the inspector.
    `failures` counts what rewards failed at, `logged` the names that they log; a resumed run counts anew.
    """

    config: RunConfig
    policy: Policy
    dataset: Dataset
    renderer: Renderer
    rewards: list[BoundReward]
    pass_reward: str | None
    optimizer: torch.optim.Optimizer
    forward: Forward
    entropy_control: EntropyControl
    stop: StopStrings | None = None
    num_tokens: int = 0
    next_example: int = 0
    short_of_signal: bool = False
    reference_moved: bool = False
    pieces: dict[int, tuple[str, bool]] = field(default_factory=dict)
    failures: FailureWatch = field(default_factory=FailureWatch)
    logged: LoggedNames = field(default_factory=LoggedNames)

    def piece(self, token: int) -> tuple[str, bool]:
        """The token's text, and whether it is special; a special one that stands for no text is its name."""
        if token not in self.pieces:
            tokenizer = self.policy.tokenizer
            special = token in self.policy.special_ids
            text = tokenizer.decode([token]) or (tokenizer.convert_ids_to_tokens(token) if special else "")
            self.pieces[token] = (text or "", special)
        return self.pieces[token]

    def close(self) -> None:
        """End the processes that rewards run in."""
        close_rewards(self.rewards)

    def trainer_state(self, steps_done: int) -> TrainerState:
        """What reward functions learn of the run after so many finished steps."""
        size = self.dataset.train_size
        epoch = None if not size else self.next_example / size
        return TrainerState(steps_done, self.config.optim.max_steps, epoch)


def build_session(
    config: RunConfig, *, progress: Callable[[str], None], start: Path | None = None, reward_copies: Path | None = None
) -> Session:
    """Load model and data, check that they fit, and make the optimizer. The session has to be closed.

    `progress(detail)` hears what is being loaded; `start` is the run's own copy of the weights that it starts from,
    where it has one, and `reward_copies` its folder of reward files. Raises ModelError, DatasetError, RewardError or
    ConfigError.
    """
    device = choose_device(config)
    progress("reading data")
    dataset = open_dataset(config.data, config.seed)
    check_answers(config.rewards, dataset)
    rewards = bind_rewards(config.rewards, reward_copies)
    with _closing_on_error(rewards):
        progress("loading rewards")
        check_ready(rewards, _columns(dataset), lambda: progress("loading rewards"))
        return _with_model(config, device, dataset, rewards, start, progress)


@contextmanager
def _closing_on_error(rewards: Sequence[BoundReward]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        close_rewards(rewards)
        raise


def _columns(dataset: Dataset) -> set[str]:
    """What columns the data has, by its first examples."""
    return {name for _, example in islice(dataset.examples(), SAMPLE) for name in example.columns}


def _with_model(
    config: RunConfig, device: str, dataset: Dataset, rewards: list[BoundReward], start: Path | None,
    progress: Callable[[str], None],
) -> Session:  # fmt: skip
    progress("loading model")
    policy = load_policy(config.model, device, seed=config.seed, start=start, progress=progress)
    renderer = Renderer(policy.tokenizer, config.model)
    progress("checking prompts")
    dataset = drop_long(dataset, renderer, config.data.max_prompt_tokens)
    check_lengths(renderer, dataset, policy.context_length, config.rollout.max_completion_length)
    optimizer = torch.optim.AdamW(
        [parameter for _, parameter in policy.trainable()],
        lr=config.optim.learning_rate,
        betas=(0.9, config.optim.adam_beta2),
        weight_decay=config.optim.weight_decay,
    )
    first_prompt = renderer.render(dataset.held_out[0]).ids
    _check_sampling(policy, first_prompt)
    forward = Forward(policy, config.rollout.temperature, first_prompt)
    return Session(
        config, policy, dataset, renderer, rewards, pass_reward(config), optimizer, forward,
        EntropyControl(config.loss.entropy_coef), _stop_strings(config, policy),
    )  # fmt: skip


def _stop_strings(config: RunConfig, policy: Policy) -> StopStrings | None:
    strings = config.rollout.stop_strings
    return StopStrings(policy.tokenizer, strings) if strings else None


def _check_sampling(policy: Policy, prompt: Sequence[int]) -> None:
    """Raises ModelError when the model cannot be decoded with a cache that rows can leave."""
    allowed = AGREEMENT[policy.model.get_input_embeddings().weight.dtype]  # type: ignore[operator]
    try:
        error = decoding_error(policy.model, prompt, policy.pad_id)
        reason = f"cached and whole decoding differ by {error:.2g} nats" if not error <= allowed else ""
    except (TypeError, ValueError, AttributeError, IndexError, RuntimeError) as failure:
        reason = f"{type(failure).__name__}: {str(failure)[:200]}"
    if reason:
        raise ModelError(
            f"This model's architecture cannot be sampled here: {reason}.",
            hint="Choose a causal transformer with an ordinary attention cache.",
            field="model.source",
        )


def fingerprint(dataset: Dataset) -> str:
    """Of every example, of the held-out ones, and of the first pass through the training data, in order.

    Another one means that training and held-out examples, or their order, are no longer the same: the file changed, or
    the pass rates that choose and order its prompts.
    """
    sha = hashlib.sha256()
    trained = map(dataset.train, range(dataset.train_size or FIRST_OF_ENDLESS))
    for example in chain((example for _, example in dataset.examples()), dataset.held_out, trained):
        sha.update(example.id.encode())
    return sha.hexdigest()[:16]


def choose_device(config: RunConfig) -> str:
    """ "cpu" or "cuda". Raises ConfigError when CUDA is asked for and not there."""
    if config.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            [Problem("device", "'cuda' was asked for, but no CUDA device is here.", "Choose auto or cpu.")]
        )
    return config.device


def environment(config: RunConfig) -> dict[str, str | int]:
    """What a bit-exact resume depends on; stored with every attempt and checkpoint."""
    return {
        "grpo_lab": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "device": choose_device(config),
        "threads": torch.get_num_threads(),
        "cpu_count": os.cpu_count() or 0,
    }
