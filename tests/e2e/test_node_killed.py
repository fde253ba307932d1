"""kill -9 of nodes at random moments: nothing acknowledged is lost, nothing is counted twice, to the bit."""

import asyncio
import os
import random
import signal
from collections import Counter
from pathlib import Path

import toy
from node_process import Nursery, nursery
from node_running import News, NodeHome, expect_sum, words, write_prompts
from running import running, until

from ridgeway.errors import RidgewayError

SEED = 20260606
NODES = 2
KILLS_EACH = 20
DOMAINS = ("math", "law")
# Up to this long after it took its directory a node is killed: settling from before, enrolling, counting, uploading.
LIFE_S_MAX = 0.8


class Life:
    """One node: what its owner did, and what was acknowledged."""

    def __init__(self, owner: str, home: NodeHome, daemons: Nursery, dice: random.Random) -> None:
        self.owner = owner
        self.home = home
        self.files = {domain: home.data_dir.with_name(f"{owner}-{domain}.jsonl") for domain in DOMAINS}
        self.prompts = {domain: words(dice.randrange(36)) for domain in DOMAINS}
        self.news = News()
        self._daemons = daemons
        self._dice = dice
        for domain in DOMAINS:
            write_prompts(self.files[domain], self.prompts[domain])

    async def live_and_die(self, token: str) -> None:
        """Start, do something, and be killed."""
        pid = await self._start()
        doing = asyncio.create_task(self._do_something(token))
        await asyncio.sleep(self._dice.random() * LIFE_S_MAX)
        await _kill(pid)
        doing.cancel()
        await asyncio.wait([doing])
        if not doing.cancelled() and (failure := doing.exception()) is not None:
            assert isinstance(failure, RidgewayError), failure

    async def settle(self, token: str) -> None:
        """Live on undisturbed, with every domain, until everything is committed."""
        pid = await self._start()
        await self.home.join(token, self.files, news=self.news)
        await _kill(pid)

    async def _start(self) -> int:
        """Start the daemon and wait until it holds its directory; to ask for the lock would keep it from it."""
        pid, lock = await self._daemons.start(self.home.data_dir), self.home.data_dir / "lock"
        await until(lambda: lock.exists() and lock.read_text() == str(pid))
        return pid

    async def _do_something(self, token: str) -> object:
        domain, what = self._dice.choice(DOMAINS), self._dice.random()
        if not self.news.domains("committed"):
            return await self.home.join(token, {domain: self.files[domain]}, news=self.news)
        if what < 0.5:
            self.prompts[domain] = words(self._dice.randrange(36), self._dice.randrange(5, 30))
            return write_prompts(self.files[domain], self.prompts[domain])
        if what < 0.8:
            return await self.home.join("", {domain: self.files[domain]}, news=self.news)
        return await self.home.leave(domain, news=self.news)


async def _kill(pid: int) -> None:
    """End a process as a power cut would, and wait until the kernel has let go of its lock."""
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_nodes_killed_at_random_moments_neither_lose_nor_repeat(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    embedder, fingerprint = toy.write_toy_embedder(tmp_path / "embedder"), toy.toy_embedder().fingerprint
    async with nursery() as daemons, running(tmp_path / "coordinator", embedder=fingerprint) as coordinator:
        lives = {
            await coordinator.invite(owner): Life(owner, NodeHome(tmp_path / owner, embedder), daemons, dice)
            for owner, dice in ((f"owner{i}", random.Random(SEED + i)) for i in range(NODES))
        }
        for _ in range(KILLS_EACH):
            await asyncio.gather(*(life.live_and_die(token) for token, life in lives.items()))
        for token, life in lives.items():
            await life.settle(token)
        committed = {(life.owner, domain): life.prompts[domain] for life in lives.values() for domain in DOMAINS}
        await expect_sum(coordinator, committed)
        stages = Counter(news.stage for life in lives.values() for news in life.news.heard)
        print(dict(stages))
        assert stages["committed"] > len(committed), "no node lived long enough for anything to be acknowledged"
