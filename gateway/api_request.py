"""What a client asks: the few fields that the gateway understands, checked; everything else is passed on as it is.

Which text is routed: of a chat, the newest message of the role `user`, its text parts joined by line ends (images and
other parts say nothing to the router); of a completion, the prompt, several joined likewise. Only the first
`ROUTED_CHARACTERS` count.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from ridgeway.gateway.api_error import BadRequest

# The model that stands for the router's choice.
AUTO = "auto"
# More text makes no difference to where it goes, and tokenising megabytes would keep others waiting.
ROUTED_CHARACTERS = 65_536
MODEL_CHARACTERS = 256
# An empty list or a number, and its place in a list.
VALUE_BYTES = 64
_TEXT_PARTS = {"text", "input_text"}


class Endpoint(StrEnum):
    """What is passed on, by its path below the base URL."""

    CHAT = "chat/completions"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request.

    Attributes:
        endpoint: what is asked for.
        body: the whole document, for the expert.
        model: which model is asked for.
        stream: whether the answer shall come in pieces.
        text: what is routed; empty if there is none.
        opening: the messages up to the first of the user, by which a conversation is known; empty for what is none.
        opening_text: the text of the first user message.
        continues: whether the conversation has had a turn before.
    """

    endpoint: Endpoint
    body: dict[str, Any] = field(repr=False)
    model: str
    stream: bool
    text: str = field(repr=False)
    opening: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    opening_text: str = field(default="", repr=False)
    continues: bool = False

    @classmethod
    def parse(cls, endpoint: Endpoint, data: bytes) -> "ApiRequest":
        """Check a request's body.

        Raises:
            BadRequest: it is no JSON object, or a field that the gateway reads has the wrong type.
        """
        return cls.of(endpoint, _document(data))

    @classmethod
    def of(cls, endpoint: Endpoint, body: dict[str, Any]) -> "ApiRequest":
        """Check a request that is parsed already.

        Raises:
            BadRequest: a field that the gateway reads has the wrong type.
        """
        model, stream = _model(body), _stream(body)
        match endpoint:
            case Endpoint.CHAT:
                messages = _messages(body)
                places = [place for place, message in enumerate(messages) if message["role"] == "user"]
                first, newest = (places[0], places[-1]) if places else (-1, -1)
                return cls(
                    endpoint,
                    body,
                    model,
                    stream,
                    _text(messages[newest]) if places else "",
                    opening=tuple(messages[: first + 1]),
                    opening_text=_text(messages[first]) if places else "",
                    continues=bool(places) and first < len(messages) - 1,
                )
            case Endpoint.COMPLETIONS:
                return cls(endpoint, body, model, stream, _prompt(body))
            case Endpoint.EMBEDDINGS:
                _embeddings(body, model)
                return cls(endpoint, body, model, stream, "")


def parsed_bytes(data: bytes) -> int:
    """About how much memory a body takes once it is parsed, at most: each value is an object of its own."""
    return len(data) + VALUE_BYTES * (data.count(b",") + data.count(b"[") + data.count(b"{"))


def _document(data: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is no JSON, at line {error.lineno}, column {error.colno}") from None
    if not isinstance(body, dict):
        raise BadRequest("the body is no JSON object; send one with a model")
    return body


def _model(body: dict[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= MODEL_CHARACTERS:
        raise BadRequest(
            f"model must be a text of 1 to {MODEL_CHARACTERS} characters; {AUTO!r} lets the router choose",
            param="model",
        )
    return model


def _stream(body: dict[str, Any]) -> bool:
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise BadRequest("stream must be true or false", param="stream")
    return bool(stream)


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages must be a list with at least one message", param="messages")
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequest("each message must be an object with a role", param=f"messages[{place}]")
        if not _is_content(message.get("content")):
            raise BadRequest(
                "content must be a text, or a list of parts that have a type", param=f"messages[{place}].content"
            )
    return messages


def _is_content(content: object) -> bool:
    if content is None or isinstance(content, str):
        return True
    return isinstance(content, list) and all(
        isinstance(part, dict)
        and isinstance(part.get("type"), str)
        and (part["type"] not in _TEXT_PARTS or isinstance(part.get("text"), str))
        for part in content
    )


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content[:ROUTED_CHARACTERS]
    return "\n".join(part["text"] for part in content if part["type"] in _TEXT_PARTS)[:ROUTED_CHARACTERS]


def _prompt(body: dict[str, Any]) -> str:
    prompt = body.get("prompt")
    if isinstance(prompt, str):
        return prompt[:ROUTED_CHARACTERS]
    if not isinstance(prompt, list) or not prompt:
        raise BadRequest("prompt must be a text or a list with at least one", param="prompt")
    if all(isinstance(part, str) for part in prompt):
        return "\n".join(prompt)[:ROUTED_CHARACTERS]
    if all(isinstance(part, int | list) for part in prompt):
        return ""
    raise BadRequest("prompt must be a text, a list of texts, or tokens", param="prompt")


def _embeddings(body: dict[str, Any], model: str) -> None:
    if not isinstance(body.get("input"), str | list) or not body["input"]:
        raise BadRequest("input must be a text or a list with at least one", param="input")
    if model == AUTO:
        raise BadRequest(
            "vectors of different models cannot be compared, so embeddings are not routed; name a model", param="model"
        )
