"""Form sections: every field stands in exactly one, and each sums itself up in a line."""

from dashboard.views.form_sections import ALL_CONTROLS, CONTROL, SECTIONS, is_shown, shown_value, source_name
from engine.config import RunConfig

DRAFT = RunConfig.model_validate(
    {
        "model": {"source": "embedded", "adapter": "full"},
        "data": {"source": "arithmetic"},
        "rewards": [{"name": "exact_match"}, {"name": "digits_only", "weight": 0.2}, {"name": "length", "weight": 0}],
    }
).model_dump(mode="json")


def summaries(draft):
    return {section.key: section.summary(draft) for section in SECTIONS}


def test_every_field_stands_in_one_section_except_the_name():
    homes = {control.path: sum(section.holds(control.path) for section in SECTIONS) for control in ALL_CONTROLS}
    assert homes.pop("name") == 0
    assert set(homes.values()) == {1}
    assert [control.path for section in SECTIONS for control in section.controls] == [
        path for section in SECTIONS for path in homes if section.holds(path)
    ]
    assert {control.path.partition(".")[0] for control in SECTIONS[3].controls} == {"rollout", "loss"}


def test_summaries_name_what_matters():
    assert summaries(DRAFT) == {
        "model": "embedded · all weights",
        "data": "built-in sums, 2 digits · 64 held out",
        "rewards": "exact_match × 1 · digits_only × 0.2 · length as monitor",
        "grpo": "8 prompts × 8 completions × 64 tokens · dapo · β 0.04 · ε 0.2",
        "budget": "100 steps · learning rate 1e-5 · evaluated every 25 · seed 0",
    }


def test_summaries_survive_a_draft_of_nonsense():
    wrong = {"model": 3, "data": None, "rewards": ["x", {}], "rollout": [], "optim": {"max_steps": "many"}}
    assert summaries(wrong)["budget"].startswith("many steps")
    assert summaries({"rewards": []})["rewards"] == "none chosen"


def test_a_field_is_shown_only_where_it_means_something():
    lora = {**DRAFT, "model": {"source": "x", "adapter": "lora"}, "data": {"source": "/data/a.csv"}}
    assert not is_shown(CONTROL["model.lora_rank"], DRAFT) and is_shown(CONTROL["model.lora_rank"], lora)
    assert is_shown(CONTROL["data.digits"], DRAFT) and not is_shown(CONTROL["data.digits"], lora)
    assert not is_shown(CONTROL["data.answer_column"], DRAFT) and is_shown(CONTROL["data.answer_column"], lora)


def test_a_path_is_shortened_to_its_last_name_and_a_hub_id_is_not():
    assert source_name("/home/me/gsm8k/train.jsonl") == "train.jsonl"
    assert source_name("models/smol.gguf") == "smol.gguf"
    assert source_name("org/model-135M") == "org/model-135M"


def test_values_are_shown_as_a_person_writes_them():
    assert [shown_value(v) for v in (None, True, False, 1e-5, "", "dapo")] == [
        "automatic", "on", "off", "1e-5", "(empty)", "dapo",
    ]  # fmt: skip
