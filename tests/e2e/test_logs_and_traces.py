"""What daemons write about what they do: ids that join their logs, spans that join their calls, and no secret."""

import json
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from cli_running import daemon, document, ridgeway
from otlp_running import collector

from ridgeway.samples import train_path

MARK = "hippopotamus"


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def ids(log: Path, message: str) -> set[str]:
    return {line["request_id"] for line in lines(log) if message in line["message"]}


@pytest.mark.timeout(120)
def test_logs_and_traces_of_a_join_meet_and_tell_no_secret(tmp_path: Path) -> None:
    center, node = str(tmp_path / "coordinator"), str(tmp_path / "node")
    logs = tmp_path / "coordinator.log", tmp_path / "node.log"
    http = ("--http", "127.0.0.1:0", "--log-format", "json")
    with collector() as (endpoint, spans):
        wish = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        with (
            daemon(
                logs[0],
                "coordinator",
                "--data-dir",
                center,
                "--listen",
                "127.0.0.1:0",
                "--masking",
                "off",
                *http,
                debug=True,
                **wish,
            ),
            daemon(logs[1], "node", "--data-dir", node, *http, debug=True, **wish) as ready,
        ):
            token = document("invite", "clinic", "--data-dir", center)["token"]
            document("join", "-", "--data-dir", node, "--domain", f"medical={train_path('medical')}", stdin=token)
            try_prompt(ready["http"], f"Is the {MARK} ill?")
            ridgeway("leave", "--data-dir", node)
    enrolled, committed = ids(logs[0], "enrolled clinic"), ids(logs[0], "committed clinic/medical")
    assert enrolled == committed == ids(logs[1], "enrolled as clinic")
    assert len(enrolled) == 1
    check_spans(spans, enrolled.pop())
    told = "".join(log.read_text() for log in logs) + str(spans)
    secret = token.removeprefix("rw1_")
    for hidden in (MARK, token, secret, secret[-20:], "BEGIN", "PRIVATE"):
        assert hidden not in told


def ask(url: str, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    connection = HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=10)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def try_prompt(url: str, prompt: str) -> None:
    deadline = time.monotonic() + 20
    while ask(url, "GET", "/readyz")[0] != 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    status, answer = ask(url, "POST", "/api/try", json.dumps({"prompt": prompt}).encode())
    assert (status, json.loads(answer)["domain"]) == (200, "medical")


def check_spans(spans: list[tuple[str, Any]], joined: str) -> None:
    """The coordinator's spans of the join are below the node's."""
    by_name = {(service, span.name): span for service, span in spans}
    join = by_name["ridgeway-node", "ridgeway.v1.NodeControl/Join"]
    for name in ("Enrolment/Enrol", "Federation/Contribute"):
        span = by_name["ridgeway-coordinator", f"ridgeway.v1.{name}"]
        assert (span.trace_id, span.parent_span_id) == (join.trace_id, join.span_id)
        assert {a.key: a.value.string_value for a in span.attributes}["ridgeway.request_id"] == joined
