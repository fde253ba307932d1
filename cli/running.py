"""Run a daemon from the command line: logging, signals, and the line that says it is ready."""

import asyncio
import logging
from collections.abc import Awaitable, Callable


def run_daemon(serve: Callable[[asyncio.Event], Awaitable[None]], *, debug: bool) -> None:
    """Run until SIGTERM or SIGINT; logs go to standard error."""
    from ridgeway.runtime.shutdown import stop_event

    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for noisy in ("asyncio", "grpc", "urllib3", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    async def run() -> None:
        await serve(stop_event())

    asyncio.run(run())
