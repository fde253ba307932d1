"""An owner that is never done, and gives up no record before it is acknowledged."""

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field

import grpc
import numpy as np
import numpy.typing as npt
from light_client import Owner, random_contribution

from ridgeway.proto import messages as m
from ridgeway.proto import rpc

DOMAINS = ("law", "math")
# Certificates of a soak live for 20 minutes.
RENEW_S = 180.0


@dataclass
class TirelessOwner:
    """An owner that keeps replacing and withdrawing, and sends each record until it is acknowledged, as a node does."""

    owner: Owner
    draw: random.Random
    holds: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    acknowledged: dict[str, int] = field(default_factory=dict)
    operations: int = 0
    certified_s: float = field(default_factory=time.monotonic)

    async def run(self, stop: asyncio.Event) -> None:
        """Replace and withdraw until told to stop."""
        while not stop.is_set():
            if time.monotonic() - self.certified_s > RENEW_S:
                await self.renew()
            domain = self.draw.choice(DOMAINS)
            if domain in self.holds and self.draw.random() < 0.3:
                await self.withdraw(domain)
            else:
                await self.contribute(domain)
            self.operations += 1

    async def renew(self) -> None:
        """Renew the certificate, as a node does."""
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await self.owner.renew()
                break
            await asyncio.sleep(0.02)
        self.certified_s = time.monotonic()

    async def contribute(self, domain: str) -> None:
        """Contribute random numbers."""
        sequence = self.owner.sequence
        vector = random_contribution(self.draw.getrandbits(32), self.owner.manifest)
        record = self.owner.sign(domain, vector)
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                async with self.owner.channel() as channel:
                    await self.owner.upload(channel, record, vector.tobytes())
                break
            await asyncio.sleep(0.02)
        self.holds[domain] = vector
        self.acknowledged[domain] = sequence

    async def withdraw(self, domain: str) -> None:
        """Take a domain out."""
        sequence = self.owner.sequence
        record = self.owner.withdrawal(domain)
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await self.owner.call(rpc.WITHDRAW, record)
                break
            await asyncio.sleep(0.02)
        del self.holds[domain]
        self.acknowledged[domain] = sequence

    async def nothing_acknowledged_is_lost(self) -> bool:
        """Whether the ledger knows of everything that it acknowledged."""
        acknowledged = dict(self.acknowledged)
        membership = await self.owner.call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest())
        return membership.next_sequence > max(acknowledged.values(), default=0)
