"""Which columns hold prompt and answer, what the reference answer in a cell is, and a preview of a file for a form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.config_problems import closest
from engine.data.files import Table, read_table
from engine.data.template import as_text
from engine.errors import DatasetError
from engine.rewards.extract import stated_answer

# Names that public data sets use, the clearest first.
PROMPT_NAMES = ("prompt", "question", "problem", "instruction", "query", "input", "text")
ANSWER_NAMES = (
    "answer", "final_answer", "solution", "ground_truth", "target", "label", "reference", "expected", "gold",
    "output", "response", "completion",
)  # fmt: skip
SHOWN = 500  # characters of a cell in a preview


@dataclass(frozen=True)
class FilePreview:
    """The first rows of a file as text, the columns found, and everything that keeps it from being used."""

    path: str
    num_rows: int
    columns: list[str]
    rows: list[dict[str, str]]
    prompt_column: str | None
    answer_column: str | None
    problems: list[str]


def preview_file(path: str, limit: int = 3) -> FilePreview:
    """Look into a file without raising: what is wrong is in `problems`."""
    try:
        table = read_table(path)
    except DatasetError as error:
        return FilePreview(path, 0, [], [], None, None, [str(error)])
    prompt, answer = _named(table.columns, PROMPT_NAMES), _named(table.columns, ANSWER_NAMES)
    rows = [{name: as_text(row.values.get(name))[:SHOWN] for name in table.columns} for row in table.rows[:limit]]
    return FilePreview(path, len(table.rows), table.columns, rows, prompt, answer, table.faults.lines())


def choose_columns(table: Table, prompt_column: str | None, answer_column: str | None) -> tuple[str, str | None]:
    """The columns with prompt and answer: the configured ones, else those with a usual name. Answers may be absent.

    Raises DatasetError for a configured column that does not exist, and when no column looks like a prompt.
    """
    if prompt_column is not None:
        _check_exists(table, prompt_column, "data.prompt_column")
    if answer_column is not None:
        _check_exists(table, answer_column, "data.answer_column")
    prompt = prompt_column or _named(table.columns, PROMPT_NAMES)
    if prompt is None:
        raise DatasetError(
            f"{table.name}: no column looks like a prompt; its columns are {_listed(table.columns)}.",
            hint="Choose the prompt column.",
            field="data.prompt_column",
        )
    return prompt, answer_column or _named([name for name in table.columns if name != prompt], ANSWER_NAMES)


def reference_answer(text: str) -> str:
    """The answer in a worked solution: after #### on its last line, else in the last \\boxed{}, else the whole text."""
    _, hashes, after = text.strip().rpartition("####")
    if hashes and "\n" not in after.strip():  # elsewhere it is a heading
        return after.strip()
    boxed = stated_answer(text, "boxed")
    return text.strip() if boxed is None else boxed


def reward_columns(values: dict[str, Any], answer: str | None) -> dict[str, Any]:
    """What reward functions get: every column, with `answer` as the reference answer.

    A column `answer` with other content, such as GSM8K's worked solution, is kept as `answer_full`.
    """
    columns = dict(values)
    if answer is None:
        return columns
    if "answer" in columns and as_text(columns["answer"]).strip() != answer:
        columns["answer_full"] = columns["answer"]
    return {**columns, "answer": answer}


def _check_exists(table: Table, column: str, field: str) -> None:
    if column not in table.columns:
        raise DatasetError(
            f"{table.name} has no column '{column[:100]}'; its columns are {_listed(table.columns)}.",
            hint=closest(column, table.columns) or "Choose one of these.",
            field=field,
        )


def _named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column with the first of these names, in upper or lower case."""
    by_name = {column.strip().casefold(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(f"'{column[:40]}'" for column in columns[:20])
    return shown if len(columns) <= 20 else f"{shown} and {len(columns) - 20} more"
