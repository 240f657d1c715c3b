"""A batch of completions: what a run's settings make of its texts and their ends."""

from engine.train.rollout import collect
from engine.train.session import build_session
from tests.toy import toy_config


def test_stop_strings_of_the_settings_end_completions_and_stay_in_their_texts() -> None:
    config = toy_config(rollout={"stop_strings": ["3", "+"], "max_completion_length": 8})
    session = build_session(config, progress=lambda _: None)
    batch = collect(session, [session.dataset.train(0)], 16, seed=1, beat=lambda *_: None, rewards=config.rewards)
    stopped = [text for text, reason in zip(batch.texts, batch.completions.reasons, strict=True) if reason == "stop"]
    assert stopped and all(text.endswith(("3", "+")) for text in stopped)
    assert not any("3" in text[:-1] or "+" in text[:-1] for text in batch.texts)
    assert batch.take([0]).completions.reasons == batch.completions.reasons
