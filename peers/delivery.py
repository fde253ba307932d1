"""Bring what a node's state holds into the records that peers pass on: it is committed when it is durable there."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ridgeway.crypto.identity import IdentityKey
from ridgeway.manifest import Manifest
from ridgeway.node.contribution import computed_before, signer
from ridgeway.node.delivery import OnProgress
from ridgeway.node.state import EVERYTHING, Membership, NodeState, Prepared
from ridgeway.peers.engine import Engine
from ridgeway.proto import messages as m
from ridgeway.proto.records import RECORD_VERSION as CONTRIBUTION_VERSION
from ridgeway.proto.records import sign_withdrawal
from ridgeway.roster.keys import RecordKey, RecordKind
from ridgeway.roster.records import RECORD_VERSION, record_of
from ridgeway.runtime.remote_errors import Unreachable

_log = logging.getLogger("ridgeway.peers")

# Between looks at who holds a record of ours.
LOOK_S = 0.1
# A record is at another peer within an exchange or two, if there is one.
PASSED_ON_WAIT_S = 30.0


def own_key(kind: RecordKind, membership: Membership, domain: str = "") -> RecordKey:
    """The key of a record of ours."""
    return RecordKey(kind, membership.owner, membership.generation, membership.issuer, domain)


async def until_passed_on(engine: Engine, keys: list[RecordKey], what: str) -> None:
    """Wait until another peer holds these records of ours, if there is another.

    Raises:
        Unreachable: none did in time.
    """
    if not any(member.active for member in engine.roster.members.values() if member.owner != engine.owner):
        return
    try:
        async with asyncio.timeout(PASSED_ON_WAIT_S):
            while not all(engine.holders(key) for key in keys):  # noqa: ASYNC110 - the machine has no event for it
                await asyncio.sleep(LOOK_S)
    except TimeoutError as error:
        raise Unreachable(
            f"no other peer has {what} yet; it is kept here, and passed on while `ridgeway node` runs"
        ) from error


class PeerDelivery:
    """Publishes one member's records.

    Args:
        state: the node's.
        engine: of its gossip.
        key: signs.
        payloads: where the node's own payloads lie.
        addresses: where this node can be dialled, by members and by newcomers; empty strings: nowhere.
        now: the clock.
    """

    def __init__(
        self,
        state: NodeState,
        engine: Engine,
        key: IdentityKey,
        payloads: Path,
        addresses: tuple[str, str],
        now: Callable[[], datetime],
    ) -> None:
        self._state = state
        self._engine = engine
        self._key = key
        self._payloads = payloads
        self._addresses = addresses
        self._now = now

    async def contribution(self, prepared: Prepared, on_progress: OnProgress) -> None:
        """Publish one record.

        Raises:
            InvalidRecord: it is none.
        """
        member = self._state.require_membership()
        key = own_key(RecordKind.CONTRIBUTION, member, prepared.domain)
        held = self._engine.held(key)
        if held is not None and held.record.sequence >= prepared.sequence and held.record.body != prepared.record.body:
            prepared = self._sign_again(prepared, held.record.sequence + 1)
        digest = bytes.fromhex(prepared.payload)
        with self._engine.adopting(digest):
            await self._engine.on_disk(self._engine.payloads.adopt, self._payloads / prepared.payload, digest)
            record = m.GossipRecord(str(key), prepared.sequence, prepared.record.body, prepared.record.signature)
            await self._engine.publish([record])
        self._state.committed(prepared)
        on_progress(m.Progress("committed", prepared.domain, detail=f"sequence {prepared.sequence}"))
        _log.info("%s is committed, sequence %d", prepared.domain, prepared.sequence)

    def _sign_again(self, prepared: Prepared, next_sequence: int) -> Prepared:
        _log.warning("others hold newer records of ours; taking numbers from %d", next_sequence)
        self._state.raise_sequence(next_sequence)
        member, computed = self._state.require_membership(), computed_before(prepared, self._key)
        manifest = Manifest.from_json(member.manifest_json.encode())
        sign = signer(self._key, member.owner, manifest, prepared.domain, computed, member.generation)
        return self._state.prepare(prepared.domain, computed.rows, computed.payload, computed.source_fingerprint, sign)

    async def withdrawals(self, on_progress: OnProgress) -> None:
        """Publish every withdrawal that is not published yet; leaving supersedes all others.

        Raises:
            InvalidRecord: one cannot be published.
            Unreachable: we leave, and nobody has heard it yet.
        """
        waiting = self._state.withdrawals()
        member = self._state.require_membership()
        if EVERYTHING in waiting:
            await self._depart(member)
        else:
            for domain in waiting:
                await self._engine.publish(self._tombstones(member, [domain]))
        for domain in [EVERYTHING] if EVERYTHING in waiting else waiting:
            self._state.withdrawn(domain)
            on_progress(m.Progress("withdrawn", domain))
            _log.info("withdrew %s", domain or "everything")

    async def _depart(self, member: Membership) -> None:
        """Take every domain out, so that the others can forget the payloads, and say goodbye."""
        key = own_key(RecordKind.DEPARTURE, member)
        if self._engine.held(key) is None:
            await self._publish_departure(member)
        await until_passed_on(self._engine, [key], "heard the farewell")

    async def _publish_departure(self, member: Membership) -> None:
        body = m.DepartureBody(
            RECORD_VERSION,
            member.federation_id,
            member.owner,
            member.generation,
            member.issuer,
            int(self._now().timestamp() * 1000),
        )
        counted = sorted(self._engine.roster.counted_of(member.owner))
        await self._engine.publish([*self._tombstones(member, counted), record_of(self._key, body)])

    def _tombstones(self, member: Membership, domains: list[str]) -> list[m.GossipRecord]:
        records = []
        for domain in domains:
            key = own_key(RecordKind.CONTRIBUTION, member, domain)
            held = self._engine.held(key)
            if held is None or held.payload is None:
                continue
            sequence = max(held.record.sequence + 1, self._state.next_sequence)
            self._state.raise_sequence(sequence + 1)
            body = m.WithdrawalBody(
                CONTRIBUTION_VERSION, member.federation_id, member.owner, domain, sequence, member.generation
            )
            signed = sign_withdrawal(self._key, body)
            records.append(m.GossipRecord(str(key), sequence, signed.body, signed.signature))
        return records

    async def experts(self, *, again: bool = False) -> None:
        """Publish our address and experts if they are not what is published, which nobody forgets.

        Raises:
            InvalidRecord: they cannot be.
        """
        del again
        member = self._state.require_membership()
        published = self._engine.roster.body(own_key(RecordKind.PROFILE, member))
        before = published if isinstance(published, m.ProfileBody) else m.ProfileBody()
        body = m.ProfileBody(
            RECORD_VERSION,
            member.federation_id,
            member.owner,
            member.generation,
            member.issuer,
            before.sequence,
            *self._addresses,
            self._state.experts(),
        )
        if body != before:
            await self._engine.publish([record_of(self._key, replace(body, sequence=before.sequence + 1))])
        self._state.experts_acknowledged()
