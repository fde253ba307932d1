"""Ports for processes that tests start."""

import contextlib
import random
import socket


def free_port() -> int:
    """A port that is free together with the one above it, and that no connection is given as its own end meanwhile."""
    for port in random.SystemRandom().sample(range(20_000, 32_000, 2), 100):
        with socket.socket() as low, socket.socket() as high, contextlib.suppress(OSError):
            low.bind(("127.0.0.1", port))
            high.bind(("127.0.0.1", port + 1))
            return port
    raise OSError("no two free ports beside each other")
