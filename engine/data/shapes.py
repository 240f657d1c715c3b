"""The shape of a table: which of the usual forms its rows have, and so where prompt and answer are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.config_problems import closest
from engine.data.conversation import ROLES, is_conversation
from engine.data.table import Row, Table
from engine.errors import DatasetError

# Names that public data sets use, the clearest first.
PROMPT_NAMES = (
    "prompt", "question", "problem", "instruction", "query", "input", "text", "messages", "conversations",
    "conversation", "chat", "dialog", "dialogue",
)  # fmt: skip
ANSWER_NAMES = (
    "answer", "final_answer", "solution", "ground_truth", "target", "label", "reference", "expected", "gold",
    "output", "response", "completion", "canonical_solution", "code",
)  # fmt: skip
TEST_NAMES = (
    "test", "tests", "test_list", "test_cases", "unit_tests", "verification_info", "input_output", "public_tests",
)  # fmt: skip
LOOKED_AT = 50  # rows that decide about the shape


@dataclass(frozen=True)
class Shape:
    """Where prompt and answer are in the rows of a table, and a sentence about it for people.

    `key` names the form: question_answer, worked_solution, boxed_solution, instruction, chat_prompt, messages,
    sharegpt, verl, completion, code, prompts, or chosen, where the configuration decides. A column may lead into an
    object: "reward_model.ground_truth". `answer` None: the answer is the conversation's last turn where
    `answer_in_prompt`, else there is none. `input`: a column whose text follows the prompt. `tests`: columns with
    tests of code, for rewards.
    """

    key: str
    label: str
    sentence: str
    prompt: str
    answer: str | None = None
    answer_in_prompt: bool = False
    input: str | None = None
    tests: tuple[str, ...] = ()

    @property
    def has_answers(self) -> bool:
        return self.answer is not None or self.answer_in_prompt


def detect_shape(table: Table, prompt_column: str | None = None, answer_column: str | None = None) -> Shape:
    """The shape of a table; columns that are given go before what is found.

    Raises DatasetError for a given column that does not exist, and when no column looks like a prompt.
    """
    for column, field in ((prompt_column, "data.prompt_column"), (answer_column, "data.answer_column")):
        if column is not None:
            _check_exists(table, column, field)
    found = None if prompt_column else next((shape for find in _FINDERS if (shape := find(table))), None)
    if found is None:
        found = _plain(table, _prompt(table, prompt_column))
    if answer_column is not None:
        found = replace(found, answer=answer_column, answer_in_prompt=False)
    if prompt_column is not None or answer_column is not None:
        found = replace(found, key="chosen", label="Chosen columns", sentence=_sentence(found))
    return found


def reach(values: dict[str, Any], column: str) -> Any:
    """The cell of a column, which may lead into an object; None where there is none."""
    if column in values:
        return values[column]
    here: Any = values
    for part in column.split("."):
        here = here.get(part) if isinstance(here, dict) else None
    return here


def named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column with the first of these names, in upper or lower case."""
    by_name = {column.strip().casefold(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def listed(columns: Sequence[str]) -> str:
    """Columns in words, the first 20 of them."""
    shown = ", ".join(f"'{column[:40]}'" for column in columns[:20])
    return shown if len(columns) <= 20 else f"{shown} and {len(columns) - 20} more"


def _check_exists(table: Table, column: str, field: str) -> None:
    inside = "." in column and any(reach(row.values, column) is not None for row in table.rows[:LOOKED_AT])
    if column not in table.columns and not inside:
        raise DatasetError(
            f"{table.name} has no column '{column[:100]}'; its columns are {listed(table.columns)}.",
            hint=closest(column, table.columns) or "Choose one of these.",
            field=field,
        )


def _prompt(table: Table, given: str | None) -> str:
    prompt = given or named(table.columns, PROMPT_NAMES)
    if prompt is None:
        raise DatasetError(
            f"{table.name}: no column looks like a prompt; its columns are {listed(table.columns)}.",
            hint="Choose the prompt column.",
            field="data.prompt_column",
        )
    return prompt


def _sample(table: Table) -> list[Row]:
    return table.rows[:LOOKED_AT]


def _most(table: Table, holds: Callable[[dict[str, Any]], bool]) -> bool:
    rows = _sample(table)
    return bool(rows) and sum(holds(row.values) for row in rows) * 2 > len(rows)


def _holds_turns(table: Table, column: str) -> bool:
    return _most(table, lambda values: is_conversation(values.get(column)))


def _tests(table: Table) -> tuple[str, ...]:
    return tuple(column for column in table.columns if column.strip().casefold() in TEST_NAMES)


def _verl(table: Table) -> Shape | None:
    if not ({"prompt", "reward_model"} <= set(table.columns)):
        return None
    if not _most(table, lambda values: reach(values, "reward_model.ground_truth") is not None):
        return None
    sentence = (
        "verl rows: the prompt is the conversation in 'prompt'; the answer is 'ground_truth' inside 'reward_model'. "
        "'data_source' and 'extra_info' go to the rewards."
    )
    return Shape("verl", "verl", sentence, "prompt", "reward_model.ground_truth")


def _chat(table: Table) -> Shape | None:
    """Any column with the name of a prompt that holds turns."""
    columns = [c for c in (named([c], PROMPT_NAMES) for c in table.columns) if c and _holds_turns(table, c)]
    prompt = named(columns, PROMPT_NAMES)
    if prompt is None:
        return None
    is_sharegpt = _most(table, lambda v: is_conversation(v.get(prompt)) and "from" in v[prompt][0])
    ends = _most(table, lambda v: is_conversation(v.get(prompt)) and _role(v[prompt][-1]) == "assistant")
    key, label = ("sharegpt", "ShareGPT conversations") if is_sharegpt else ("messages", "Conversations")
    if ends:
        sentence = f"{label}: the prompt is every turn of '{prompt}' before the last answer; the answer is that turn."
        return Shape(key, label, sentence, prompt, answer_in_prompt=True, tests=_tests(table))
    answer = named([c for c in table.columns if c != prompt], ANSWER_NAMES)
    shape = Shape("chat_prompt", "Chat prompts", "", prompt, answer or _verified(table), tests=_tests(table))
    return replace(
        shape, sentence=f"Chat prompts: the prompt is the whole conversation in '{prompt}'; {_answer(shape)}"
    )


def _role(turn: Any) -> str:
    return ROLES.get(str(turn.get("role", turn.get("from"))).lower(), "")


def _instruction(table: Table) -> Shape | None:
    names = {column: named(table.columns, (column,)) for column in ("instruction", "input", "output", "response")}
    instruction, extra = names["instruction"], names["input"]
    answer = names["output"] or names["response"]
    if instruction is None or extra is None or answer is None:
        return None
    sentence = (
        f"Instructions: the prompt is '{instruction}', with '{extra}' below it where there is one; "
        f"the answer is '{answer}'."
    )
    return Shape("instruction", "Instructions", sentence, instruction, answer, input=extra)


def _code(table: Table) -> Shape | None:
    tests, prompt = _tests(table), named(table.columns, PROMPT_NAMES)
    if not tests or prompt is None:
        return None
    answer = named([c for c in table.columns if c != prompt and c not in tests], ANSWER_NAMES)
    shape = Shape("code", "Code with tests", "", prompt, answer or _verified(table), tests=tests)
    kept = ", ".join(f"'{column}'" for column in tests)
    return replace(
        shape, sentence=f"Code: the prompt is '{prompt}'; {_answer(shape)} The tests in {kept} go to the rewards."
    )


def _verified(table: Table) -> str | None:
    """The answer inside open-r1's verification_info, where it is an object with one."""
    inside = "verification_info.ground_truth"
    return inside if _most(table, lambda values: reach(values, inside) is not None) else None


def _plain(table: Table, prompt: str) -> Shape:
    """One column for the prompt and, where there is one, another for the answer."""
    ends = _most(table, lambda v: is_conversation(v.get(prompt)) and _role(v[prompt][-1]) == "assistant")
    answer = named([name for name in table.columns if name != prompt], ANSWER_NAMES)
    texts = [str(value) for row in _sample(table) if answer and (value := row.values.get(answer)) is not None]
    shape = Shape(
        "question_answer", "Questions and answers", "", prompt, answer, answer_in_prompt=ends and answer is None
    )
    if answer and sum("####" in text for text in texts) * 2 > len(texts):
        shape = replace(shape, key="worked_solution", label="Worked solutions")
        how = f"the answer is what follows #### in '{answer}'; the whole text stays as 'answer_full'."
        return replace(shape, sentence=f"Worked solutions: the prompt is '{prompt}'; {how}")
    if answer and sum(r"\boxed{" in text for text in texts) * 2 > len(texts):
        shape = replace(shape, key="boxed_solution", label="Solutions with a box")
        return replace(
            shape,
            sentence=f"Solutions: the prompt is '{prompt}'; the answer is inside the last \\boxed{{}} of '{answer}'.",
        )
    if answer and answer.strip().casefold() == "completion":
        shape = replace(shape, key="completion", label="Prompts and completions")
    if answer is None:
        shape = replace(shape, key="prompts", label="Prompts alone")
    return replace(shape, sentence=_sentence(shape))


def _sentence(shape: Shape) -> str:
    return f"{shape.label}: the prompt is '{shape.prompt}'; {_answer(shape)}"


def _answer(shape: Shape) -> str:
    if shape.answer is not None:
        *inside, last = shape.answer.rsplit(".", 1)
        return f"the answer is '{last}' inside '{inside[0]}'." if inside else f"the answer is '{last}'."
    return "the answer is its last turn." if shape.answer_in_prompt else "there are no answers."


_FINDERS: tuple[Callable[[Table], Shape | None], ...] = (_verl, _chat, _instruction, _code)
