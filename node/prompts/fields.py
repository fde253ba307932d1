"""Which part of an entry is the prompt."""

from collections.abc import Mapping
from typing import Any

FIELDS = ("prompt", "text", "question", "instruction")


class NoPrompt(ValueError):
    """An entry without a prompt; its text says what is missing, never what is there."""


def prompt_of(entry: object, field: str | None) -> str:
    """The prompt of one JSON entry.

    Raises:
        NoPrompt: there is none where it should be.
    """
    if isinstance(entry, str) and field is None:
        return entry
    if not isinstance(entry, Mapping):
        raise NoPrompt("it is not a JSON object")
    if field is not None:
        return _text(_follow(entry, field), f"field {field!r}")
    for name in FIELDS:
        if entry.get(name) is not None:
            return _text(entry[name], f"field {name!r}")
    for name, role, content in (("messages", "role", "content"), ("conversations", "from", "value")):
        if isinstance(entry.get(name), list):
            return _user_turns(entry[name], role, content)
    raise NoPrompt(f"it has none of the fields {', '.join(FIELDS)}, messages; name it with --field")


def _follow(entry: Mapping[str, Any], field: str) -> object:
    if field in entry:
        return entry[field]
    value: object = entry
    for name in field.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise NoPrompt(f"it has no field {field!r}")
        value = value[name]
    return value


def _user_turns(turns: list[Any], role: str, content: str) -> str:
    """The user's turns of a conversation, one below the other (OpenAI's messages, ShareGPT's conversations)."""
    texts = [
        _content(turn.get(content))
        for turn in turns
        if isinstance(turn, Mapping) and turn.get(role) in {"user", "human"}
    ]
    if not texts:
        raise NoPrompt("its conversation has no turn of a user")
    return "\n".join(texts)


def _content(value: object) -> str:
    if isinstance(value, list):
        parts = [part.get("text") for part in value if isinstance(part, Mapping) and part.get("type") == "text"]
        return "\n".join(_text(part, "a message's text") for part in parts)
    return _text(value, "a message's content")


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise NoPrompt(f"{what} is not a string")
    return value
