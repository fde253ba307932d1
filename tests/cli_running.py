"""The command line in real processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TIMEOUT_S = 60


def ridgeway(*arguments: str, stdin: str = "", code: int = 0) -> str:
    """Run a command that must end with this code; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "ridgeway.cli.main", *arguments],
        input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout or done.stderr


def document(*arguments: str, stdin: str = "", code: int = 0) -> Any:
    """The same with --json, read."""
    return json.loads(ridgeway(*arguments, "--json", stdin=stdin, code=code))


@contextmanager
def daemon(log: Path, *arguments: str, debug: bool = False, **variables: str) -> Iterator[dict[str, Any]]:
    """Run a daemon; it must be ready, and end with code 0 on SIGTERM."""
    options = ["--debug"] if debug else []
    with log.open("a") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "ridgeway.cli.main", *options, *arguments, "--json"],
            stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ | variables,
        )  # fmt: skip
    assert child.stdout is not None
    try:
        yield json.loads(child.stdout.readline())
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(TIMEOUT_S) == 0, log.read_text()[-2000:]
        child.stdout.close()
