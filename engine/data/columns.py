"""From a row to an example: its question and answer as the table's shape says; and a preview of a source for a form.

preview_client.py has the preview in a process of its own, which also downloads and makes rows of reasoning-gym.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.config_data import GYM, DataSource
from engine.data.conversation import (
    as_plain_text,
    is_conversation,
    last_question,
    read_conversation,
    split_answer,
    with_last,
)
from engine.data.example import Example, example_id
from engine.data.hub import NotFetched
from engine.data.shapes import Shape, detect_shape, reach
from engine.data.sources import read_source
from engine.data.table import Row, Table
from engine.data.tasks.registry import is_task, sample_items, task_problems
from engine.data.template import as_text, fill_template
from engine.errors import DatasetError
from engine.rewards.extract import stated_answer

SHOWN = 500  # characters of a cell in a preview


@dataclass(frozen=True)
class FilePreview:
    """The first rows of a source as text, its columns and shape, and everything that keeps it from being used.

    `prompt_column` and `answer_column` are those that were found, or given. `examples` are the first rows as
    (prompt, answer) without the prompt template; rows that make none are in `problems`. `note`: why there are no rows
    to see yet, though nothing is wrong.
    """

    path: str
    num_rows: int
    columns: list[str]
    rows: list[dict[str, str]]
    shape: Shape | None
    examples: list[tuple[str, str | None]]
    problems: list[str]
    note: str = ""

    @property
    def prompt_column(self) -> str | None:
        return self.shape.prompt if self.shape else None

    @property
    def answer_column(self) -> str | None:
        return self.shape.answer if self.shape else None


def preview_file(path: str, limit: int = 3) -> FilePreview:
    """Look into a source without raising: what is wrong is in `problems`."""
    return preview_source(DataSource(source=path), limit) if path else FilePreview(path, 0, [], [], None, [], [])


def preview_source(config: DataSource, limit: int = 3, *, fetch: bool = False) -> FilePreview:
    """The same with columns, split and subset as they are set; of a built-in task its first items.

    With `fetch` it downloads what is on the Hub alone. Rows of reasoning-gym are never made here.
    """
    if is_task(config.source):
        return _preview_task(config, limit)
    if config.source.startswith(GYM):
        return FilePreview(config.source, 0, [], [], None, [], [], "reasoning-gym makes the rows when the run starts.")
    try:
        table = read_source(config, fetch=fetch)
    except NotFetched as error:
        return FilePreview(config.source, 0, [], [], None, [], [], error.message)
    except DatasetError as error:
        return FilePreview(config.source, 0, [], [], None, [], [str(error)])
    return preview_table(table, config, limit)


def _preview_task(config: DataSource, limit: int) -> FilePreview:
    if problems := task_problems(config.source, config.params, "data.params"):
        return FilePreview(config.source, 0, [], [], None, [], [str(problem) for problem in problems])
    items = sample_items(config.source, config.params, limit)
    rows = [{name: as_text(value) for name, value in {**item.columns, "answer": item.answer}.items()} for item in items]
    examples = [(item.question, item.answer) for item in items]
    return FilePreview(config.source, 0, list(rows[0]) if rows else [], rows, None, examples, [])


def preview_table(table: Table, config: DataSource, limit: int = 3) -> FilePreview:
    """The same of a table that was read already."""
    rows = [{name: as_text(row.values.get(name))[:SHOWN] for name in table.columns} for row in table.rows[:limit]]
    shape, problems, examples = None, table.faults.lines(), []
    try:
        shape = detect_shape(table, config.prompt_column, config.answer_column)
    except DatasetError as error:
        if config.prompt_column or config.answer_column:
            problems.append(str(error))
    for row in table.rows[:limit] if shape else ():
        try:
            example = make_example(row, shape, "{prompt}")  # type: ignore[arg-type]
            examples.append((example.prompt[:SHOWN], example.answer and example.answer[:SHOWN]))
        except ValueError as fault:
            problems.append(f"{row.where}: {fault}")
    return FilePreview(config.source, len(table.rows), table.columns, rows, shape, examples, problems)


def make_example(row: Row, shape: Shape, template: str) -> Example:
    """The row as an example. Raises ValueError saying what it lacks."""
    cell = reach(row.values, shape.prompt)
    if is_conversation(cell):
        return _from_conversation(row, shape, template, cell)
    question = _cell_text(row, shape.prompt)
    extra = as_text(row.values.get(shape.input)).strip() if shape.input else ""
    question = f"{question}\n\n{extra}" if extra else question
    answer = _answer(row, shape, None)
    prompt = fill_template(template, question, row.values)
    return Example(example_id(prompt, answer), prompt, question, answer, reward_columns(row.values, answer))


def reference_answer(text: str) -> str:
    """The answer in a worked solution: after #### on its last line, else in the last \\boxed{}, else the whole text."""
    _, hashes, after = text.strip().rpartition("####")
    if hashes and "\n" not in after.strip():  # elsewhere it is a heading
        return after.strip()
    boxed = stated_answer(text, "boxed")
    return text.strip() if boxed is None else boxed


def reward_columns(values: dict[str, Any], answer: str | None, last_turn: str | None = None) -> dict[str, Any]:
    """What reward functions get: every column, with `answer` as the reference answer.

    A column `answer` with other content, such as GSM8K's worked solution, is kept as `answer_full`, and so is a
    conversation's last turn that the answer was read from.
    """
    columns = dict(values)
    if answer is None:
        return columns
    full = columns.get("answer", last_turn)
    if full is not None and as_text(full).strip() != answer:
        columns["answer_full"] = full
    return {**columns, "answer": answer}


def _from_conversation(row: Row, shape: Shape, template: str, cell: Sequence[Any]) -> Example:
    messages, last_turn = split_answer(read_conversation(cell, f"'{shape.prompt}'"))
    question = last_question(messages)
    answer = _answer(row, shape, last_turn)
    messages = with_last(messages, fill_template(template, question, row.values))
    prompt = as_plain_text(messages)
    kept = messages if prompt != messages[-1]["content"] else None
    columns = reward_columns(row.values, answer, None if shape.answer else last_turn)
    return Example(example_id(prompt, answer), prompt, question, answer, columns, kept)


def _answer(row: Row, shape: Shape, last_turn: str | None) -> str | None:
    if shape.answer is None:
        if not shape.answer_in_prompt:
            return None
        if last_turn is None:
            raise ValueError(f"'{shape.prompt}' does not end with an answer.")
        return _reference(last_turn, shape.prompt)
    cell = reach(row.values, shape.answer)
    if is_conversation(cell):
        _, answer = split_answer(read_conversation(cell, f"'{shape.answer}'"))
        if answer is None:
            raise ValueError(f"'{shape.answer}' does not end with an answer.")
        return _reference(answer, shape.answer)
    if "." in shape.answer and shape.answer not in row.values and isinstance(cell, dict | list):
        return as_text(cell)  # what a reward needs to judge, such as the numbers of a puzzle
    return _reference(_cell_text(row, shape.answer), shape.answer)


def _cell_text(row: Row, column: str) -> str:
    value = reach(row.values, column)
    if isinstance(value, dict | list | bytes):
        raise ValueError(f"'{column}' is not a text.")
    text = as_text(value)
    if not text.strip():
        raise ValueError(f"'{column}' is {'missing' if value is None and column not in row.values else 'empty'}.")
    return text


def _reference(text: str, column: str) -> str:
    answer = reference_answer(text)
    if not answer:
        raise ValueError(f"'{column}' has no answer after #### or in \\boxed{{}}.")
    return answer
