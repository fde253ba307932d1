"""Answers on their way to the client: their `model` becomes the chosen one, whole or piece by piece.

A streamed answer is a series of server-sent events, each with one line `data: JSON`, the last with `data: [DONE]`.
Lines are passed on as soon as they are whole, so that an answer that breaks off can still be ended with an event of its
own.
"""

from typing import Any

import orjson

from ridgeway.gateway.api_error import ApiError

# One event: a piece of text, or at most a tool call or a picture.
LINE_BYTES_MAX = 4 * 1024 * 1024
_DATA = b"data:"
_DONE = b"[DONE]"


class NoAnswer(ValueError):
    """Bytes that are no answer in OpenAI's protocol."""


def with_model(data: bytes, model: str) -> bytes:
    """A whole answer that names the chosen model.

    Raises:
        NoAnswer: it is no JSON object.
    """
    return orjson.dumps(_document(data) | {"model": model})


def error_event(error: ApiError) -> bytes:
    """What ends a stream that broke off: an event with an error, after whatever event was begun."""
    return b"\n\n" + _DATA + b" " + orjson.dumps(error.document()) + b"\n\n"


class AnswerStream:
    """Renames the model in a stream of events, and tells whether the stream came to its end.

    Args:
        model: what the answer's `model` shall say.
        choices: how many answers there are side by side, the request's `n`.
    """

    def __init__(self, model: str, choices: int = 1) -> None:
        self._model = model
        self._choices = choices
        self._finished: set[int] = set()
        self._rest = b""
        self._done = False

    def feed(self, data: bytes) -> bytes:
        """What of the stream can be passed on after these bytes.

        Raises:
            NoAnswer: an event is longer than `LINE_BYTES_MAX`.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            raise NoAnswer(f"an event has more than {LINE_BYTES_MAX} bytes")
        return b"".join([self._line(line) + b"\n" for line in lines])

    def close(self) -> bytes:
        """What remains to be passed on after the expert's last byte, with the last event if the expert left it out.

        Raises:
            NoAnswer: the stream broke off before its end.
        """
        rest = self.feed(b"\n") if self._rest else b""
        if self._done:
            return rest
        if len(self._finished) < self._choices:
            raise NoAnswer("the stream broke off")
        return rest + b"\n" + _DATA + b" " + _DONE + b"\n\n"

    def _line(self, line: bytes) -> bytes:
        if not line.startswith(_DATA):
            return line
        payload = line[len(_DATA) :].strip()
        if payload == _DONE:
            self._done = True
            return line
        try:
            document = _document(payload)
        except NoAnswer:
            return line
        self._note_end(document)
        if "model" not in document:
            return line
        document["model"] = self._model
        return _DATA + b" " + orjson.dumps(document)

    def _note_end(self, document: dict[str, Any]) -> None:
        """A choice ends with its reason; an error ends the whole stream."""
        if "error" in document:
            self._done = True
        choices = document.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, dict) and choice.get("finish_reason"):
                index = choice.get("index")
                self._finished.add(index if isinstance(index, int) else 0)


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise NoAnswer("the answer is no JSON") from None
    if not isinstance(document, dict):
        raise NoAnswer("the answer is no JSON object")
    return document
