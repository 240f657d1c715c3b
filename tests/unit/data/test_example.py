"""The id of an example."""

from engine.data.example import example_id


def test_the_id_is_16_digits_that_another_prompt_or_answer_changes() -> None:
    ids = [
        example_id(*pair) for pair in [("1+1=", "2"), ("1+1=", "3"), ("1+2=", "2"), ("1+1=", None), ("1+1=", "None")]
    ]
    assert len(set(ids)) == 5 and {len(name) for name in ids} == {16}


def test_the_id_is_the_same_in_every_run_and_process() -> None:
    assert example_id("1+1=", "2") == "b3b73b5938ae1b23"
