"""Bring what the state holds to the coordinator: one try each, in the order in which it must arrive.

A refusal because the ledger knows higher sequence numbers means that our state is an older copy of itself, restored
from a backup; then the record is signed again with a higher number.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import grpc

from ridgeway.crypto.identity import IdentityKey
from ridgeway.manifest import Manifest
from ridgeway.node.contribution import computed_before, signer
from ridgeway.node.link import Link
from ridgeway.node.state import EVERYTHING, NodeState, Prepared, Sign
from ridgeway.node.uploader import OnSent, upload
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.records import RECORD_VERSION, sign_withdrawal
from ridgeway.runtime.remote_errors import Malformed, Refused

_log = logging.getLogger("ridgeway.node")

# Told from any thread.
OnProgress = Callable[[m.Progress], None]

# How the coordinator refuses a sequence number that is taken or too low.
_NUMBER_REFUSED = {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ALREADY_EXISTS}


class Delivery(Protocol):
    """Brings what one member's state holds where it counts."""

    async def contribution(self, prepared: Prepared, on_progress: OnProgress) -> None:
        """Bring one record until it is committed."""

    async def withdrawals(self, on_progress: OnProgress) -> None:
        """Bring every withdrawal that was not acknowledged; leaving supersedes all others."""

    async def experts(self, *, again: bool = False) -> None:
        """Register our experts if that was not done yet, or `again` if it may have been forgotten."""


class CoordinatorDelivery:
    """Sends what one member's state holds, over one link."""

    def __init__(self, state: NodeState, link: Link, key: IdentityKey, payloads: Path) -> None:
        self._state = state
        self._link = link
        self._key = key
        self._payloads = payloads

    async def contribution(self, prepared: Prepared, on_progress: OnProgress) -> None:
        """Upload one record until it is committed.

        Raises:
            Unreachable, Refused: it is not, or we do not know.
        """

        def sent(done: int, total: int) -> None:
            on_progress(m.Progress("upload", prepared.domain, done, total))

        try:
            committed = await self._upload(prepared, sent)
        except Refused as error:
            if not await self._is_behind(error, prepared.sequence):
                raise
            prepared = self._sign_again(prepared)
            committed = await self._upload(prepared, sent)
        self._state.committed(prepared)
        on_progress(m.Progress("committed", prepared.domain, detail=f"sequence {committed.sequence}"))
        _log.info("%s is committed, sequence %d", prepared.domain, committed.sequence)

    async def _upload(self, prepared: Prepared, on_sent: OnSent) -> m.Committed:
        """One try; what is acknowledged must be what was sent.

        Raises:
            Malformed: it is not.
        """
        committed = await upload(self._link, prepared.record, self._payloads / prepared.payload, on_sent)
        if committed.sequence != prepared.sequence:
            raise Malformed(
                f"the coordinator acknowledged sequence {committed.sequence} of us, we had sent {prepared.sequence};"
                " check that it runs a compatible release"
            )
        return committed

    async def withdrawals(self, on_progress: OnProgress) -> None:
        """Send every withdrawal that was not acknowledged; leaving supersedes all others.

        Raises:
            Unreachable, Refused: one is not acknowledged.
        """
        waiting = self._state.withdrawals()
        for domain in [EVERYTHING] if EVERYTHING in waiting else list(waiting):
            digest = await self._withdraw(domain)
            self._state.withdrawn(domain)
            on_progress(m.Progress("withdrawn", domain, detail=digest.hex()))
            _log.info("withdrew %s: sum %s", domain or "everything", digest.hex())

    async def experts(self, *, again: bool = False) -> None:
        """Register our experts if the coordinator does not have them yet, or may have lost them.

        Raises:
            Unreachable, Refused: it did not take them.
        """
        if again or not self._state.experts_registered:
            sent = self._state.experts()
            await self._link.call(rpc.REGISTER_EXPERTS, m.RegisterExpertsRequest(sent))
            # Others may have been written, or measured, while these were on their way.
            if self._state.experts() == sent:
                self._state.experts_acknowledged()

    async def _withdraw(self, domain: str) -> bytes:
        method = rpc.LEAVE if domain == EVERYTHING else rpc.WITHDRAW
        waiting = self._state.withdrawals()[domain]
        try:
            return (await self._link.call(method, waiting.record)).sum_digest
        except Refused as error:
            if error.code is grpc.StatusCode.NOT_FOUND:
                # What we withdraw never arrived; so it is not in the sum.
                return b""
            if not await self._is_behind(error, waiting.sequence):
                raise
            self._state.withdraw(domain, withdrawal_signer(self._state, self._key, domain))
            return (await self._link.call(method, self._state.withdrawals()[domain].record)).sum_digest

    async def _is_behind(self, refusal: Refused, sequence: int) -> bool:
        """Whether the ledger knows higher numbers of us than we do; if so we take higher ones from now on."""
        if refusal.code not in _NUMBER_REFUSED:
            return False
        membership = await self._link.call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest())
        if membership.next_sequence <= sequence:
            return False
        _log.warning("the ledger expects sequence %d of us, not %d; signing again", membership.next_sequence, sequence)
        self._state.raise_sequence(membership.next_sequence)
        return True

    def _sign_again(self, prepared: Prepared) -> Prepared:
        membership, computed = self._state.require_membership(), computed_before(prepared, self._key)
        manifest = Manifest.from_json(membership.manifest_json.encode())
        sign = signer(self._key, membership.owner, manifest, prepared.domain, computed, membership.generation)
        return self._state.prepare(prepared.domain, computed.rows, computed.payload, computed.source_fingerprint, sign)


def withdrawal_signer(state: NodeState, key: IdentityKey, domain: str) -> Sign:
    """Signs the withdrawal of a domain, or with EVERYTHING of the owner, under the sequence number it is given."""
    membership = state.require_membership()
    return lambda sequence: sign_withdrawal(
        key,
        m.WithdrawalBody(
            RECORD_VERSION, membership.federation_id, membership.owner, domain, sequence, membership.generation
        ),
    )
