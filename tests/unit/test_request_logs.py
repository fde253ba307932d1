"""Request ids, what log lines look like, and when traces are wished."""

import json
import logging
import sys
from contextvars import copy_context

import pytest

from ridgeway.runtime import request_id, tracing
from ridgeway.runtime.logs import ConsoleFormatter, JsonFormatter, described
from ridgeway.runtime.tracing import OtelExtraMissing, traced, wished


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("ridgeway.test", logging.WARNING, __file__, 1, message, arguments, None)


@pytest.mark.parametrize("bad", ["", "a b", "a\nb", "ä", "x" * 65, '{"a":1}', "a;b"])
def test_an_id_that_may_not_stand_in_a_log_is_replaced(bad: str) -> None:
    def begin() -> str:
        return request_id.begin(bad)

    made = copy_context().run(begin)
    assert made != bad
    assert len(made) == 16


def test_an_id_travels_on() -> None:
    def served() -> request_id.Metadata:
        request_id.begin(request_id.received((("other", "x"), ("x-request-id", "3f2c-ab"))))
        return request_id.outgoing()

    assert copy_context().run(served) == (("x-request-id", "3f2c-ab"),)


def test_a_task_without_an_id_gets_one_and_keeps_it() -> None:
    def twice() -> tuple[request_id.Metadata, request_id.Metadata]:
        return request_id.outgoing(), request_id.outgoing()

    first, second = copy_context().run(twice)
    assert first == second


def test_json_lines_are_json_whatever_they_say() -> None:
    def line() -> str:
        request_id.begin("abc")
        return JsonFormatter().format(record('two\nlines and a "quote" of %s', "näme"))

    text = copy_context().run(line)
    assert "\n" not in text
    document = json.loads(text)
    assert document.pop("time").endswith("+00:00")
    assert document == {
        "level": "warning",
        "logger": "ridgeway.test",
        "message": 'two\nlines and a "quote" of näme',
        "request_id": "abc",
    }


def test_an_error_is_in_the_line() -> None:
    try:
        raise ValueError("why")
    except ValueError:
        failed = record("failed")
        failed.exc_info = sys.exc_info()
    assert "ValueError: why" in json.loads(JsonFormatter().format(failed))["error"]
    assert "ValueError: why" in ConsoleFormatter().format(failed)


def test_an_unforeseen_error_is_told_without_what_it_quotes() -> None:
    def fail(error: Exception) -> str:
        try:
            raise error
        except (ValueError, OSError) as raised:
            return described(raised)

    told = fail(ValueError("cannot digest 'my secret prompt'"))
    assert told.startswith("ValueError\n")
    assert "in fail" in told
    assert "my secret" not in told
    assert "No space left" in fail(OSError(28, "No space left on device"))


def test_a_console_line_ends_with_the_id() -> None:
    def line() -> str:
        request_id.begin("abc")
        return ConsoleFormatter().format(record("hello"))

    assert copy_context().run(line).endswith("WARNING ridgeway.test: hello [abc]")
    assert ConsoleFormatter().format(record("hello")).endswith("hello")


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environment", "wish"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "otlp"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
    ],
)
def test_the_usual_variables_switch_traces_on(environment: dict[str, str], wish: bool) -> None:
    assert wished(environment) is wish


def test_without_the_variables_nothing_is_imported_and_nothing_is_carried() -> None:
    with traced("ridgeway-test", {}):
        assert tracing.outgoing() == ()
        with tracing.serving("/a/B", (("traceparent", "x"),)):
            pass


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "ridgeway.runtime.otel", raising=False)
    with pytest.raises(OtelExtraMissing, match=r"ridgeway\[otel\]"), traced("ridgeway-test", ENDPOINT):
        raise AssertionError
