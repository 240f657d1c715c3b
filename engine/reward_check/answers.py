"""How a run asks for answers, and a given answer written that way. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.config import RewardSpec, RunConfig
from engine.rewards.registry import function_of, info_of

Form = Literal["bare", "sentence", "tag", "think", "boxed", "hashes"]

FORM_WORDS: dict[Form, str] = {
    "bare": "bare",
    "sentence": "in a sentence",
    "tag": "in <answer> tags",
    "think": "in <think> and <answer> tags",
    "boxed": "in \\boxed{}",
    "hashes": "after ####",
}
# What the choices of a reward's `extract` mean for somebody who writes an answer; the others read a bare one.
OF_EXTRACT: dict[str, Form] = {"tag": "tag", "boxed": "boxed", "hashes": "hashes", "answer": "sentence"}

_BOXED = re.compile(r"\\(?:boxed|fbox)\b")
_HASHES = re.compile(r"#{4}")


@dataclass(frozen=True)
class Asked:
    """The form in which the run asks for an answer, and what says so."""

    form: Form
    why: str


def written(answer: str, form: Form) -> str:
    """A completion that states this answer in this form."""
    if form == "sentence":
        return f"The answer is {answer}."
    if form == "tag":
        return f"<answer>{answer}</answer>"
    if form == "think":
        return f"<think>Let me work it out.</think><answer>{answer}</answer>"
    if form == "boxed":
        return f"\\boxed{{{answer}}}"
    return f"#### {answer}" if form == "hashes" else answer


def shell(form: Form) -> str:
    """The form without anything in it; of a bare answer the tags that models are often asked for."""
    if form in ("bare", "sentence", "think"):
        return "<think></think><answer></answer>"
    return written("", form).strip()


def thought_then(thought: str, answer: str, form: Form) -> str:
    """Reasoning first, then the answer in its form."""
    if form == "think":
        return f"<think>{thought}</think><answer>{answer}</answer>"
    stated = f"The answer is {answer}" if form == "bare" else written(answer, form)
    return f"{thought} {stated}"


def asked_form(config: RunConfig, spec: RewardSpec, prompts: Sequence[str]) -> Asked:
    """How this run wants answers written.

    First what the prompts say (system prompt, template, or every one of `prompts`), then where this reward reads the
    answer, then where the others of the list do or which tags they want; else bare.
    """
    said = f"{config.model.system_prompt}\n{config.data.prompt_template}"
    if (form := form_in(said)) is not None:
        return Asked(form, "as the prompt asks")
    in_prompts = {form_in(prompt) for prompt in prompts}
    if len(in_prompts) == 1 and (form := in_prompts.pop()) is not None:
        return Asked(form, "as the prompts ask")
    for one in (spec, *(other for other in config.rewards if other.name != spec.name)):
        if (form := _read_by(one)) is not None:
            return Asked(form, "where this reward reads it" if one is spec else f"as {one.name} wants it")
    return Asked("bare", "as nothing asks for a form")


def form_in(text: str) -> Form | None:
    """The form that instructions in a prompt ask for; None when they name none."""
    if "<answer>" in text:
        return "think" if "<think>" in text else "tag"
    if _BOXED.search(text):
        return "boxed"
    return "hashes" if _HASHES.search(text) else None


def _read_by(spec: RewardSpec) -> Form | None:
    if function_of(spec) == "think_answer_format":
        return "think"
    info = info_of(spec)
    field = None if info is None else info.params.model_fields.get("extract")
    if field is None:
        return None
    return OF_EXTRACT.get(str(spec.params.get("extract", field.default)))
