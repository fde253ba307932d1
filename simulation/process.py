"""Hosts and the processes that run on them: what a process does counts only as long as it lives."""

from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ridgeway.simulation.clock import Clock
from ridgeway.simulation.durability import Durability

if TYPE_CHECKING:
    from ridgeway.simulation.world import World


class PowerLost(BaseException):
    """Raised where a process dies, so that nothing after that point is done."""


@dataclass(eq=False)
class Process:
    """One run of a program on a host, from its start to its end or its death.

    Attributes:
        host: where.
        root: its data directory; the next process gets a copy of what survived.
        durability: knows what would survive.
        context: in which everything that it does runs.
        alive: whether it does.
        crash_in: dies at so many effects from now; None lets it live.
        on_death: told when it dies or ends.
    """

    host: "Host"
    root: Path
    durability: Durability
    context: Context
    alive: bool = True
    crash_in: int | None = None
    on_death: list[Callable[[], None]] = field(default_factory=list)


@dataclass(eq=False)
class Host:
    """A machine with a name, clocks and a disk.

    Attributes:
        name: on the network.
        clock: its own.
        full: whether its disk takes nothing more.
        process: what runs on it, if anything does.
        lives: how many processes it has had.
        liar: whether what it sends may be nonsense.
    """

    name: str
    clock: Clock
    full: bool = False
    process: Process | None = None
    lives: int = 0
    liar: bool = False


# Which process is at work; None for the world itself.
AT_WORK: ContextVar[Process | None] = ContextVar("at_work", default=None)
# The world that is being simulated in this thread of control.
WORLD: ContextVar["World | None"] = ContextVar("world", default=None)


def context_of(process: Process) -> Context:
    """A context in which a process is at work."""
    context = copy_context()
    context.run(AT_WORK.set, process)
    return context
