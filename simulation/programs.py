"""The two daemons as programs of a simulated host: the real parts, wired as in their own daemons, without sockets."""

import asyncio
from dataclasses import dataclass
from functools import partial

from ridgeway.coordinator.database import SqliteDatabase
from ridgeway.coordinator.founding import Founded, Wishes, open_federation
from ridgeway.coordinator.leading import LEDGER_FILE
from ridgeway.coordinator.observer import Unobserved as NoCoordinatorObserver
from ridgeway.coordinator.schema import open_ledger
from ridgeway.coordinator.services import Addresses, Services, services_of
from ridgeway.embedder import Embedder
from ridgeway.node.agent import Agent
from ridgeway.node.daemon import Daemon, NodeSettings
from ridgeway.node.observer import Unobserved as NoNodeObserver
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.simulation.calls import Listener
from ridgeway.simulation.process import Process
from ridgeway.simulation.world import World

COORDINATOR = "coordinator"
MEMBERS, ENROLMENT, ADMINISTRATION = f"{COORDINATOR}:7443", f"{COORDINATOR}:7444", f"{COORDINATOR}:1"


@dataclass
class Coordinator:
    """The coordinator's program.

    Attributes:
        process: that runs now.
        founded: what it has open.
        services: its parts.
    """

    world: World
    wishes: Wishes
    embedder: Embedder
    process: Process | None = None
    founded: Founded | None = None
    services: Services | None = None

    async def __call__(self, process: Process) -> None:
        """Run until something fails."""
        now = self.world.now_of(process.host)
        directory = DataDirectory(process.root, "coordinator", create=True)
        with directory.locked():
            database = SqliteDatabase(open_ledger(str(process.root / LEDGER_FILE)))
            founded = open_federation(directory, database, self.wishes, lambda: self.embedder.fingerprint, now())
            addresses = Addresses(lambda: MEMBERS, lambda: ENROLMENT)
            services = services_of(founded, directory, addresses, now, NoCoordinatorObserver())
            self.process, self.founded, self.services = process, founded, services
            for address, handlers in (
                (MEMBERS, services.federation.handlers()),
                (ENROLMENT, services.enrolment.handlers()),
                (ADMINISTRATION, services.administration.handlers()),
            ):
                self.world.listeners[address] = Listener(process, [handlers], services.interceptors)
            async with asyncio.TaskGroup() as endless:
                for work in services.endless():
                    endless.create_task(work)


@dataclass
class Node:
    """A node's program.

    Attributes:
        agent: of the process that runs now.
        daemon: its duties.
    """

    world: World
    refresh_s: float
    agent: Agent | None = None
    daemon: Daemon | None = None

    async def __call__(self, process: Process) -> None:
        """Run until something fails."""
        now = self.world.now_of(process.host)
        directory = DataDirectory(process.root, "node", create=True)
        with directory.locked():
            agent = Agent(directory, now)
            settings = NodeSettings(process.root, refresh_s=self.refresh_s, now=now, probe_s=0.0)
            daemon = Daemon(agent, settings, NoNodeObserver())
            self.agent, self.daemon = agent, daemon
            process.on_death.append(partial(self._forget, agent))
            await daemon.load_router()
            await daemon.run()

    def _forget(self, agent: Agent) -> None:
        if self.agent is agent:
            self.agent = self.daemon = None
