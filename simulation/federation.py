"""One federation's life in a simulated world: owners come, change and go while faults strike; then all must agree.

The safety phase does everything at once; the liveness phase stops the faults, states what each owner wants, and waits
until the sum, every node and every router say the same, to the bit.
"""

import asyncio
import json
import shutil
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import grpc

from ridgeway.coordinator.founding import Wishes
from ridgeway.errors import RidgewayError
from ridgeway.manifest import FeatureMap, Manifest, Masking
from ridgeway.node.agent import Agent, is_member
from ridgeway.node.link import CertificateExpired
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.remote_errors import Refused, translated
from ridgeway.simulation.calls import Channel
from ridgeway.simulation.invariants import Invariants
from ridgeway.simulation.network import CALM, Weather
from ridgeway.simulation.process import Host
from ridgeway.simulation.programs import ADMINISTRATION, COORDINATOR, Coordinator, Node
from ridgeway.simulation.tiny_embedder import WORDS, contribution_of, tiny_embedder
from ridgeway.simulation.world import Violation, World
from ridgeway.sums import FederationSum

DOMAINS = ("law", "math", "tea")
REFRESH_S = 20.0
SETTLED_WITHIN_S = 1800.0
LOOK_S = 2.0
TOUCH_S = 90.0


@dataclass(frozen=True)
class Plan:
    """What a seed stands for.

    Attributes:
        masked: whether contributions are masked.
        owners: how many may take part.
        safety_s: how long faults strike.
        weather: of the network meanwhile.
        fault_every_s: on average.
        liars: how many owners lie.
        dishonest: whether the coordinator lies; then only what a node alone can see to is checked.
        hold_out: share of prompts that nodes try routers on.
    """

    masked: bool
    owners: int
    safety_s: float
    weather: Weather
    fault_every_s: float
    liars: int
    dishonest: bool
    hold_out: float

    @classmethod
    def of(cls, seed: int) -> "Plan":
        """The plan of a seed."""
        random = Random(f"plan {seed}")
        masked = random.random() < 0.6
        rough = random.random() < 0.7
        weather = Weather(
            loss=random.choice((0.0, 0.05, 0.2, 0.5)) if rough else 0.0,
            damage=random.choice((0.0, 0.01)) if rough else 0.0,
            truncation=random.choice((0.0, 0.01)) if rough else 0.0,
            delay_s=(0.001, random.choice((0.005, 0.1, 0.5))),
            stragglers=random.choice((0.0, 0.05)) if rough else 0.0,
        )
        return cls(
            masked=masked,
            owners=random.choice((3, 4, 4, 5)) if masked else random.choice((1, 2, 3)),
            safety_s=random.uniform(20.0, 70.0),
            weather=weather,
            fault_every_s=random.choice((3.0, 8.0, 20.0)),
            liars=random.choice((0, 0, 0, 1)),
            dishonest=masked and random.random() < 0.1,
            hold_out=random.choice((0.0, 0.0, 0.2)) if masked else 0.0,
        )


@dataclass
class Owner:
    """An owner, its node, and what it wants the sum to hold of it.

    Attributes:
        host: where its node runs.
        node: the program.
        wants: prompts by domain.
        backup: an old copy of its directory, if it made one.
        welcome: whether it has not been told to ask for a new invitation.
    """

    host: Host
    node: Node
    wants: dict[str, list[str]] = field(default_factory=dict)
    backup: Any = None
    welcome: bool = True

    @property
    def name(self) -> str:
        """Its name."""
        return self.host.name

    @property
    def told_to_ask(self) -> bool:
        """Whether `ridgeway status` says that only a new invitation helps."""
        daemon = self.node.daemon if self.agent is not None else None
        return daemon is not None and "new invitation" in daemon.status().last_error

    @property
    def agent(self) -> Agent | None:
        """Of the process that runs now."""
        process = self.host.process
        return self.node.agent if process is not None and process.alive else None


class Died(Exception):
    """The process at which something was to be done is gone."""


class Life:
    """See the module."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.random = world.random
        masking = Masking.REQUIRED if plan.masked else Masking.OFF
        self.coordinator = Coordinator(world, Wishes(features=FeatureMap.TOKENS, masking=masking), tiny_embedder())
        self.invariants = Invariants(world, self.coordinator, dishonest=plan.dishonest)
        world.watcher = self.invariants
        self.owners: list[Owner] = []
        self.faulty = True
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """The whole life."""
        await self._found()
        self.world.network.weather = self.plan.weather
        for owner in self.owners[: self.plan.liars]:
            owner.host.liar = True
        self.world.hosts[COORDINATOR].liar = self.plan.dishonest
        acting = [asyncio.create_task(self._act(owner)) for owner in self.owners]
        nemesis = asyncio.create_task(self._strike())
        await asyncio.sleep(self.plan.safety_s)
        for task in (*acting, nemesis):
            task.cancel()
        self._end_faults()
        if not self.plan.dishonest:
            await self._agree()

    # Beginning

    async def _found(self) -> None:
        world = self.world
        host = world.host(COORDINATOR, drift=self.random.uniform(-1e-3, 1e-3))
        self._supervise(host, self.coordinator)
        for number in range(self.plan.owners):
            host = world.host(f"owner{number}", self.random.uniform(-1e-3, 1e-3), self.random.uniform(-60.0, 60.0))
            owner = Owner(host, Node(world, REFRESH_S))
            self.owners.append(owner)
            self._supervise(host, owner.node)
        while self.coordinator.founded is None:  # noqa: ASYNC110 - it is another process that founds it
            await asyncio.sleep(0.1)
        world.note("world", "founded")

    def _supervise(self, host: Host, program: Any) -> None:
        """Start a program, and again whenever it has ended."""

        def again() -> None:
            self.world.scheduler.after(self._down_s(), lambda: self._supervise(host, program))

        if host.process is None:
            self.world.start(host, program).on_death.append(again)

    def _down_s(self) -> float:
        return self.random.choice((0.1, 1.0, 5.0, 20.0)) if self.faulty else 1.0

    # Owners

    async def _act(self, owner: Owner) -> None:
        """An owner's decisions, one after another."""
        await asyncio.sleep(self.random.uniform(0.0, 5.0))
        while True:
            await self._decide(owner)
            await asyncio.sleep(self.random.expovariate(1 / 10.0))

    async def _decide(self, owner: Owner) -> None:
        chance = self.random.random()
        if not owner.wants or chance < 0.2:
            self._write(owner, self.random.choice(DOMAINS))
            await self._attempt(owner, self._join, 15.0)
        elif chance < 0.6:
            self._write(owner, self.random.choice(sorted(owner.wants)))
            if owner.agent is not None:
                owner.agent.unsettled.set()
        elif chance < 0.75 and len(owner.wants) > 1:
            del owner.wants[self.random.choice(sorted(owner.wants))]
            await self._attempt(owner, self._drop, 15.0)
        elif chance < 0.85 and len(self._members()) > (3 if self.plan.masked else 1):
            owner.wants.clear()
            await self._attempt(owner, self._drop, 15.0)

    def _members(self) -> list[Owner]:
        return [owner for owner in self.owners if owner.wants]

    def _write(self, owner: Owner, domain: str) -> None:
        """An owner gets other prompts for a domain."""
        prompts = [
            " ".join(self.random.choices(WORDS, k=self.random.randrange(1, 5)))
            for _ in range(self.random.randrange(1, 5))
        ]
        owner.wants[domain] = prompts
        path = self._path(owner, domain)
        path.with_suffix(".new").write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
        path.with_suffix(".new").rename(path)
        founded = self.coordinator.founded
        if founded is not None and not self.plan.hold_out:
            self.invariants.knows(owner.name, domain, contribution_of(prompts, founded.federation.manifest))

    def _path(self, owner: Owner, domain: str) -> Any:
        return self.world.root / f"{owner.name}-{domain}.jsonl"

    async def _attempt(self, owner: Owner, what: Callable[[Owner], Coroutine[Any, Any, None]], within_s: float) -> bool:
        """Do something at an owner's node; whether it was done in time."""
        try:
            async with asyncio.timeout(within_s):
                await what(owner)
        except (RidgewayError, OSError, TimeoutError, Died) as error:
            owner.welcome = not isinstance(error, Refused | CertificateExpired)
            self.world.note(owner.name, f"{what.__name__.strip('_')} failed", f"{type(error).__name__}: {error}")
            return False
        return True

    async def _at_node(self, owner: Owner, work: Callable[[Agent], Coroutine[Any, Any, None]]) -> None:
        """Run something in a node's process.

        Raises:
            Died: the process is not there, or went away.
        """
        process, agent = owner.host.process, owner.agent
        if process is None or agent is None:
            raise Died
        ended: asyncio.Future[None] = self.world.loop.create_future()
        task = process.context.copy().run(self.world.loop.create_task, work(agent))

        def end(*_: object) -> None:
            if not ended.done():
                ended.set_result(None)

        task.add_done_callback(end)
        process.on_death.append(end)
        try:
            await ended
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            raise Died
        await task

    async def _join(self, owner: Owner) -> None:
        agent = owner.agent
        if agent is None:
            raise Died
        welcome = is_member(agent.state) and owner.welcome and self._is_active(owner) and not owner.told_to_ask
        token = "" if welcome else await self._invite(owner)
        owner.welcome = True
        sources = tuple(m.PromptSource(domain, str(self._path(owner, domain))) for domain in sorted(owner.wants))
        request = m.JoinRequest(token, sources, embedder="tiny", hold_out=self.plan.hold_out)
        self.world.note(owner.name, "joins", ",".join(sorted(owner.wants)))
        await self._at_node(owner, lambda agent: agent.join(request, lambda _: None))

    def _is_active(self, owner: Owner) -> bool:
        founded = self.coordinator.founded
        member = founded.federation.membership.members.get(owner.name) if founded else None
        return member is None or member.state is m.MemberState.ACTIVE

    async def _drop(self, owner: Owner) -> None:
        """Take out what is not wanted any more."""
        agent = owner.agent
        if agent is None:
            raise Died
        if not is_member(agent.state):
            return
        gone = (
            [""] if not owner.wants else sorted((agent.state.sources().keys() | self._held(owner)) - owner.wants.keys())
        )
        for domain in gone:
            self.world.note(owner.name, "leaves", domain)
            await self._at_node(owner, lambda agent, domain=domain: agent.leave(domain, lambda _: None))  # type: ignore[misc]

    def _held(self, owner: Owner) -> set[str]:
        """The domains that the sum holds of an owner, as `ridgeway status` shows; an old copy may not know of some."""
        founded = self.coordinator.founded
        entries = founded.federation.ledger.entries(owner.name) if founded and self._is_there() else []
        return {entry.domain for entry in entries if entry.payload_digest is not None}

    def _is_there(self) -> bool:
        process = self.world.hosts[COORDINATOR].process
        return process is not None and process.alive and self.coordinator.process is process

    async def _invite(self, owner: Owner) -> str:
        """An invitation; a member whose node knows nothing of it any more is sent away first, and may come back."""
        try:
            return (await self._administer(rpc.INVITE, m.InviteRequest(owner.name, 3600))).token
        except Refused:
            await self._administer(rpc.REVOKE, m.OwnerRequest(owner.name))
            return (await self._administer(rpc.INVITE, m.InviteRequest(owner.name, 3600))).token

    async def _administer(self, method: rpc.Method[rpc.Request, rpc.Response], request: rpc.Request) -> rpc.Response:
        channel: Any = Channel(self.world, COORDINATOR, ADMINISTRATION)
        try:
            return await rpc.call(channel, method, request, timeout_s=10.0)
        except grpc.aio.AioRpcError as error:
            raise translated(error, ADMINISTRATION) from error

    # Faults

    async def _strike(self) -> None:
        strikes = (
            self._crash_somewhere, self._crash_somewhere, self._crash_at_a_point, self._crash_at_a_point,
            self._crash_at_a_point, self._cut, self._partition, self._swizzle, self._jump, self._fill,
            self._back_up, self._restore, self._evict,
        )  # fmt: skip
        while True:
            await asyncio.sleep(self.random.expovariate(1 / self.plan.fault_every_s))
            strike = self.random.choice(strikes)
            await strike()

    def _some_host(self) -> Host:
        return self.random.choice([self.world.hosts[COORDINATOR], *(owner.host for owner in self.owners)])

    async def _crash_somewhere(self) -> None:
        process = self._some_host().process
        if process is not None:
            self.world.crash(process, self.random.choice(("power cut", "killed")))

    async def _crash_at_a_point(self) -> None:
        process = self._some_host().process
        if process is not None:
            process.crash_in = self.random.randrange(1, 30)

    async def _cut(self) -> None:
        pair = self.random.choice(self.owners).name, COORDINATOR
        source, target = pair if self.random.random() < 0.5 else pair[::-1]
        self.world.network.cut(source, target)
        self.world.scheduler.after(self.random.uniform(1.0, 45.0), lambda: self.world.network.heal(source, target))

    async def _partition(self) -> None:
        cut_off = [owner.name for owner in self.owners if self.random.random() < 0.5]
        self.world.network.partition(cut_off, [COORDINATOR])
        self.world.scheduler.after(self.random.uniform(1.0, 45.0), self.world.network.heal_all)

    async def _swizzle(self) -> None:
        self.world.network.swizzle([owner.name for owner in self.owners], self.random.uniform(2.0, 30.0))

    async def _jump(self) -> None:
        host, by_s = self._some_host(), self.random.choice((-7200.0, -61.0, 61.0, 7200.0))
        self.world.trace.fault(self.world.scheduler.now_s, host.name, "clock jump", f"{by_s:.0f}")
        host.clock.jump(by_s)

    async def _fill(self) -> None:
        host = self._some_host()
        self.world.trace.fault(self.world.scheduler.now_s, host.name, "full disk")
        host.full = True
        self.world.scheduler.after(self.random.uniform(1.0, 10.0), lambda: setattr(host, "full", False))

    async def _back_up(self) -> None:
        """A member copies its directory while nothing runs; the process comes back right after."""
        owner = self.random.choice(self.owners)
        # A copy from the midst of an opened round may bind its owner for ever: see docs/reliability.md.
        agent = owner.agent
        joined = agent is not None and is_member(agent.state) and not agent.rounds.state.exposed
        if joined and owner.host.process is not None and owner.backup is None:
            self.world.crash(owner.host.process, "killed", "for a backup")
            owner.backup = self.world.root / f"{owner.name}.backup"
            shutil.copytree(self.world.root / f"{owner.name}.{owner.host.lives}", owner.backup)

    async def _restore(self) -> None:
        """An owner's old copy takes the place of its directory."""
        owner = self.random.choice([one for one in self.owners if one.backup is not None] or [None])
        if owner is None:
            return
        if owner.host.process is not None:
            self.world.crash(owner.host.process, "killed", "to restore a backup")
        self.world.trace.fault(self.world.scheduler.now_s, owner.name, "stale restore")
        directory = self.world.root / f"{owner.name}.{owner.host.lives}"
        shutil.rmtree(directory)
        shutil.copytree(owner.backup, directory)

    async def _evict(self) -> None:
        owner = self.random.choice(self.owners)
        if self.random.random() < 0.5 and len(self._members()) > (3 if self.plan.masked else 1):
            self.world.note(owner.name, "is evicted")
            owner.wants.clear()
            with suppress(RidgewayError):
                await self._administer(rpc.EVICT, m.OwnerRequest(owner.name))

    def _end_faults(self) -> None:
        self.faulty = False
        self.world.network.weather = CALM
        self.world.network.heal_all()
        for host in self.world.hosts.values():
            if host.liar and host.process is not None:
                # Who has lied to others may be wrong about what they know; honest software begins anew.
                self.world.crash(host.process, "killed", "to become honest")
            host.full, host.liar = False, False
            if host.process is not None:
                host.process.crash_in = None
        self.world.note("world", "faults end")

    # Agreement

    async def _agree(self) -> None:
        """All must be as their owners want it, before long.

        Raises:
            Violation: it is not.
        """
        began_s = touched_s = self.world.scheduler.now_s
        while self.plan.masked and len(self._members()) < 3:
            newcomer = self.random.choice([owner for owner in self.owners if not owner.wants])
            self._write(newcomer, "law")
        bringing = [asyncio.create_task(self._bring_about(owner)) for owner in self.owners]
        while (missing := self._missing()) is not None:
            now_s = self.world.scheduler.now_s
            if now_s - began_s > SETTLED_WITHIN_S:
                raise Violation(f"no agreement within {SETTLED_WITHIN_S:.0f} s: {missing}")
            if self.plan.masked and now_s - touched_s > TOUCH_S:
                # A round hides one owner's change among others', so others have to have one.
                touched_s = now_s
                self._touch_all()
                bringing += [asyncio.create_task(self._bring_about(owner)) for owner in self._called_back()]
            await asyncio.sleep(LOOK_S)
        for task in bringing:
            task.cancel()
        self.world.note("world", "agreed")

    def _called_back(self) -> list[Owner]:
        """Owners that left or were evicted, without whom a round that may have been opened cannot be run again."""
        exposed = [owner.agent.rounds.state.exposed for owner in self._members() if owner.agent is not None]
        back = [owner for owner in self.owners if not owner.wants and any(owner.name in names for names in exposed)]
        for owner in back:
            self._write(owner, "law")
        return back

    def _touch_all(self) -> None:
        for owner in self._members():
            self._write(owner, min(owner.wants))
            if owner.agent is not None:
                owner.agent.unsettled.set()

    async def _bring_about(self, owner: Owner) -> None:
        """Ask the node for what the owner wants, until it has done it."""
        while True:
            done = await self._attempt(owner, self._join, 300.0) if owner.wants else True
            if done and await self._attempt(owner, self._drop, 300.0):
                return
            if not owner.wants and not owner.welcome:
                with suppress(RidgewayError):
                    await self._administer(rpc.EVICT, m.OwnerRequest(owner.name))
                    return
            await asyncio.sleep(2.0)

    def _missing(self) -> str | None:
        """What is not yet as it must be; None if all is."""
        founded = self.coordinator.founded
        if founded is None or not self._is_there():
            return "the coordinator is down"
        federation = founded.federation
        expected = self._expected(federation.manifest)
        if not self.invariants.tainted and not self.plan.hold_out and federation.sum_digest != expected:
            return "the sum is not what the owners want"
        services = self.coordinator.services
        latest = services.publisher.latest if services else None
        for owner in self.owners:
            problem = self._missing_at(owner, federation.sum_digest if latest else None)
            if problem:
                return f"{owner.name}: {problem}"
        return None

    def _expected(self, manifest: Manifest) -> bytes:
        total = FederationSum(manifest.layout)
        for owner in self._members():
            for domain, prompts in owner.wants.items():
                known = contribution_of(prompts, manifest)
                total.add(domain, known.vector, known.rows)
        return total.digest(manifest.digest())

    def _missing_at(self, owner: Owner, digest: bytes | None) -> str | None:
        agent = owner.agent
        if agent is None:
            return "is down"
        if not owner.wants:
            return None
        router = agent.routers.router
        conditions = {
            "has not joined with all domains": not is_member(agent.state)
            or agent.state.sources().keys() != owner.wants.keys(),
            "has something that is not committed": agent.state.last_committed().keys() != owner.wants.keys(),
            "waits for a round": self.plan.masked
            and bool(agent.rounds.state.open or agent.rounds.state.parts().touched),
            "has an older router": digest is not None and (router is None or router.router.sum_digest != digest),
        }
        return next((problem for problem, holds in conditions.items() if holds), None)
