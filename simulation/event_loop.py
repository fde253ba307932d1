"""An asyncio event loop in virtual time: the daemons' own coroutines run on it, and one seed gives one order of steps.

Timers follow the clock of the host whose process set them. What a process would do in a thread is done between two
steps, after a delay drawn from the seed, in order for each executor of one thread. A dead process's callbacks are
dropped where they stand: no `finally` runs, as after a power cut.
"""

import asyncio
from asyncio import Handle, TimerHandle
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from random import Random
from typing import Any

from ridgeway.simulation.process import AT_WORK, PowerLost
from ridgeway.simulation.scheduler import Scheduler

THREAD_DELAY_S = 0.003


class Stalled(RuntimeError):
    """Nothing is left that could happen."""


class _Task(asyncio.Task[Any]):
    """A task whose hash does not depend on where it lies in memory, so that sets of tasks have one order."""

    created = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _Task.created += 1
        self._order = _Task.created
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._order


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs coroutines by a scheduler.

    Args:
        scheduler: the world's time.
        random: for the delays of threads.
        after_step: called after every step.
    """

    def __init__(self, scheduler: Scheduler, random: Random, after_step: Callable[[], None]) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._random = random
        self._after_step = after_step
        self._due: list[Handle] = []
        self._busy_until_s: dict[object, float] = {}
        self.steps = 0
        _Task.created = 0
        self.set_task_factory(lambda loop, coroutine, **kwargs: _Task(coroutine, loop=loop, **kwargs))

    def time(self) -> float:
        """Seconds, as the process at work counts them."""
        process = AT_WORK.get()
        return self._scheduler.now_s if process is None else process.host.clock.monotonic_s()

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> Handle:
        """Run something in the next step."""
        handle = Handle(callback, args, self, context)
        self._due.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> TimerHandle:
        """Run something when the clock of the process at work shows this."""
        process = AT_WORK.get()
        true_s = when if process is None else process.host.clock.true_s(when)
        timer = TimerHandle(when, callback, args, self, context)
        self._scheduler.at(true_s, partial(self._is_due, timer))
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> TimerHandle:
        """Run something after a while."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def _is_due(self, handle: Handle) -> None:
        self._due.append(handle)

    def _timer_handle_cancelled(self, handle: TimerHandle) -> None:
        """Nothing: a cancelled timer is passed over when it is due."""

    def _run_once(self) -> None:
        if not self._due and not self._scheduler.step():
            raise Stalled("nothing is left that could happen")
        due, self._due = self._due, []
        for handle in due:
            if not handle.cancelled() and _lives(handle):
                self.steps += 1
                handle._run()
                self._after_step()

    def run_in_executor(  # type: ignore[override]
        self, executor: object, function: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Run blocking work between two steps, some milliseconds later."""
        future = self.create_future()
        self._scheduler.at(self._thread_due_s(executor), partial(self._begin, function, args, future, copy_context()))
        return future

    def thread_due_s(self, executor: object) -> float:
        """When a thread that has taken on work has done it."""
        return self._thread_due_s(executor)

    def _thread_due_s(self, executor: object) -> float:
        due_s = self._scheduler.now_s + self._random.uniform(0.0, THREAD_DELAY_S)
        if executor is not None:
            due_s = max(due_s, self._busy_until_s.get(executor, 0.0))
            self._busy_until_s[executor] = due_s
        return due_s

    def _begin(
        self, function: Callable[..., Any], args: tuple[Any, ...], future: "asyncio.Future[Any]", context: Context
    ) -> None:
        self._due.append(Handle(self._work, (function, args, future), self, context))

    def _work(self, function: Callable[..., Any], args: tuple[Any, ...], future: "asyncio.Future[Any]") -> None:
        if future.cancelled():
            return
        try:
            result = function(*args)
        except PowerLost:
            return
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits it
            future.set_exception(error)
        else:
            future.set_result(result)


def _lives(handle: Handle) -> bool:
    context: Context = handle._context  # type: ignore[attr-defined]
    process = context.get(AT_WORK)
    return process is None or process.alive
