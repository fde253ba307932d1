"""One thread that owns the federation: every change of it is made alone, and the event loop never blocks on one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Exclusive:
    """Runs functions one after another on one thread, in the order in which they were begun."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="federation")

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function there. Once begun it is finished, even if the caller is cancelled."""
        return await asyncio.shield(self.begin(function, *args, **kwargs))

    def begin(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Begin a function there; await the outcome under a shield."""
        # With the caller's context, in which the request's id is, for the logs.
        run = partial(copy_context().run, function, *args, **kwargs)
        return asyncio.get_running_loop().run_in_executor(self._executor, run)

    def close(self) -> None:
        """Finish what was begun and end the thread."""
        self._executor.shutdown(wait=True)
