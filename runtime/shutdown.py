"""SIGTERM and SIGINT end a daemon in order; a second one ends it at once."""

import asyncio
import os
import signal


def stop_event() -> asyncio.Event:
    """An event that is set by the first SIGTERM or SIGINT; call inside a running loop of the main thread."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()

    def received(number: int) -> None:
        if event.is_set():
            os._exit(128 + number)
        event.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number)
    return event
