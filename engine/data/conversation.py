"""Conversations in a cell: lists of turns as chat APIs, ShareGPT and verl write them, read into one form."""

from collections.abc import Mapping, Sequence
from typing import Any

Message = Mapping[str, str]  # role and content

# What data sets call those who speak.
ROLES = {
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "bot": "assistant",
    "system": "system", "developer": "system",
    "tool": "tool", "function": "tool", "observation": "tool", "function_response": "tool",
}  # fmt: skip
_KEYS = ({"role", "content"}, {"from", "value"})
_NAMES = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"}


def is_conversation(cell: Any) -> bool:
    """Whether a cell is a list of turns: objects with role and content, or with from and value."""
    return (
        isinstance(cell, list)
        and bool(cell)
        and all(isinstance(turn, dict) and any(keys <= set(turn) for keys in _KEYS) for turn in cell)
    )


def read_conversation(cell: Sequence[Mapping[str, Any]], where: str) -> tuple[Message, ...]:
    """The turns as {role, content}. Raises ValueError, which names the turn and completes "line 3: …".

    Chat data often begins with an empty system turn: it says nothing, and is left out.
    """
    turns = [(number, turn) for number, turn in enumerate(cell, start=1) if not _is_silent(turn)]
    return tuple(_message(turn, f"{where}, turn {number}") for number, turn in turns)


def split_answer(messages: Sequence[Message]) -> tuple[tuple[Message, ...], str | None]:
    """(the turns before the last answer, that answer); None where the conversation does not end with one."""
    if messages and messages[-1]["role"] == "assistant":
        return tuple(messages[:-1]), messages[-1]["content"]
    return tuple(messages), None


def as_plain_text(messages: Sequence[Message]) -> str:
    """A conversation for a model without a chat template.

    One question alone is its text. Else each turn stands after the name of who speaks, with a blank line between turns,
    and "Assistant:" at the end, where the model goes on.
    """
    if len(messages) == 1 and messages[0]["role"] == "user":
        return messages[0]["content"]
    turns = [f"{_NAMES[message['role']]}: {message['content']}" for message in messages]
    return "\n\n".join([*turns, "Assistant:"])


def last_question(messages: Sequence[Message]) -> str:
    """What the user said last. Raises ValueError where there is nothing to answer."""
    if not messages:
        raise ValueError("the conversation has no question before its answer.")
    if messages[-1]["role"] not in ("user", "tool"):
        raise ValueError(f"the conversation has two turns of the {messages[-1]['role']} where a question should be.")
    return messages[-1]["content"]


def with_last(messages: Sequence[Message], content: str) -> tuple[Message, ...]:
    """The conversation with another text as its last turn."""
    return (*messages[:-1], {**messages[-1], "content": content})


def _is_silent(turn: Mapping[str, Any]) -> bool:
    """Whether it is a system turn without a word."""
    named, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
    is_blank = content is None or (isinstance(content, str) and not content.strip())
    return is_blank and ROLES.get(str(named).lower()) == "system"


def _message(turn: Mapping[str, Any], where: str) -> Message:
    named, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
    role = ROLES.get(str(named).lower())
    if role is None:
        raise ValueError(f"{where}: nobody is called {str(named)[:40]!r}; known are user, assistant, system and tool.")
    text = _text(content)
    if text is None:
        raise ValueError(f"{where}: the content is not a text.")
    if not text.strip():
        raise ValueError(f"{where}: the content is empty.")
    return {"role": role, "content": text}


def _text(content: Any) -> str | None:
    """A text, also when it comes in parts; None for pictures and the like."""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        return "".join(texts) if texts and len(texts) == len(parts) else None
    return content if isinstance(content, str) else None
