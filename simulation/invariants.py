"""What must hold after every step of a simulated federation, watched from outside the daemons.

The model knows what no coordinator knows: every owner's true contribution and unmasked vector. It watches the frames
between hosts, the masks as they are put on, the vectors as they arrive and the ledger as it commits, and says what is
wrong as soon as it is.
"""

import hashlib
import importlib
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from ridgeway.coordinator.federation import Federation
from ridgeway.errors import RidgewayError
from ridgeway.manifest import Manifest, Masking
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.codec import decode
from ridgeway.round_vector import as_sum
from ridgeway.secagg.aggregator import Aggregator, Sum
from ridgeway.simulation.lies import Liar
from ridgeway.simulation.process import AT_WORK, Process
from ridgeway.simulation.programs import COORDINATOR, Coordinator
from ridgeway.simulation.tiny_embedder import Known
from ridgeway.simulation.world import Violation, World
from ridgeway.sums import FederationSum

Vector = npt.NDArray[np.int64]

# Certificates and their keys come from the system's randomness, so these frames are no part of the trace.
_UNTRACED = ("Enrol", "Invite", "RenewCertificate", "Describe")


class Invariants:
    """Watches one world.

    Args:
        world: see there.
        coordinator: its program.
        dishonest: whether the coordinator itself may send nonsense; then nobody can rely on what it says.

    Attributes:
        manifest: once there is one.
        rounds_committed, rounds_called: so many.
        tainted: owners that lied inside a masked vector, which nobody can see.
        checks: how often everything was compared.
    """

    def __init__(self, world: World, coordinator: Coordinator, *, dishonest: bool) -> None:
        self._world = world
        self._coordinator = coordinator
        self._liar = Liar(Random(world.random.random()))
        self._dishonest = dishonest
        self._dirty = False
        self._seen: object = None
        self._known: dict[tuple[str, str, bytes], Known] = {}
        # Acknowledged: the highest sequence number for each owner and domain, and whether it was a withdrawal.
        self._records: dict[tuple[str, int], str] = {}
        self._acknowledged: dict[tuple[str, str], tuple[int, bool]] = {}
        self._rounds_acknowledged: dict[tuple[str, bytes], None] = {}
        self._keys: dict[bytes, None] = {}
        self._shares: dict[tuple[str, bytes, int], str] = {}
        self._masked: dict[str, dict[bytes, Vector]] = {}
        self._last_masked: dict[str, tuple[Vector, Vector]] = {}
        self._effective: dict[tuple[bytes, str], Vector] = {}
        self._totals: dict[bytes, FederationSum] = {}
        self._numbers: dict[int, bytes] = {}
        self.manifest: Manifest | None = None
        self.rounds_committed = 0
        self.rounds_called = 0
        self.tainted: dict[str, None] = {}
        self.checks = 0

    # What the model is told

    def knows(self, owner: str, domain: str, known: Known) -> None:
        """An owner's prompts for a domain give this, and may be contributed from now on."""
        self._known[owner, domain, known.payload_digest] = known

    def hooks(self) -> Iterator[tuple[object, str, object]]:
        """What is put around the daemons' functions, to see what they do."""
        node_rounds: Any = importlib.import_module("ridgeway.node.rounds")
        mask, take, commit = node_rounds.mask_in_parallel, Aggregator.take_input, Federation.commit_round

        def masking(vector: Vector, masks: Any) -> None:
            plain = vector.copy()
            mask(vector, masks)
            self._put_on(plain, vector)

        def taking(one: Aggregator, owner: str, numbers: int, pieces: Iterable[Vector], now: float) -> Any:
            received = np.concatenate([piece.copy() for piece in pieces])
            self._received(one.terms.nonce, owner, received)
            return take(one, owner, numbers, iter([received]), now)

        def committing(federation: Federation, terms: m.RoundTerms, summed: Sum) -> bytes:
            self._about_to_commit(federation, terms, summed)
            return commit(federation, terms, summed)

        yield node_rounds, "mask_in_parallel", masking
        yield Aggregator, "take_input", taking
        yield Federation, "commit_round", committing

    # Frames

    def frame(self, source: str, target: str, method: str, kind: str, frame: bytes) -> bytes:
        """See `Watcher`."""
        name = method.rpartition("/")[2]
        host = self._world.hosts.get(source)
        honest = host is None or not host.liar
        watch = self._watchers().get((name, kind))
        if watch is not None and honest:
            watch(source if kind == "request" else target, frame)
        if not honest:
            lie = self._liar.frame(name, kind, frame)
            if lie is not frame:
                self._world.trace.fault(self._world.scheduler.now_s, source, "lie", name)
                frame = lie
        self._liar.overhears(name, kind, frame)
        content = "" if name in _UNTRACED else hashlib.blake2b(frame, digest_size=6).hexdigest()
        self._world.note(source, f"{kind} {name}", f"{target} {content}")
        return frame

    def _watchers(self) -> dict[tuple[str, str], Callable[[str, bytes], None]]:
        return {
            (rpc.TAKE_PART.name, "request"): self._reply,
            (rpc.TAKE_PART.name, "answer"): self._order,
            (rpc.CONTRIBUTE.name, "request"): self._contribution,
            (rpc.CONTRIBUTE.name, "answer"): self._commitment,
            (rpc.WITHDRAW.name, "request"): self._record,
            (rpc.LEAVE.name, "request"): self._record,
            (rpc.WITHDRAW.name, "answer"): self._withdrawal,
            (rpc.LEAVE.name, "answer"): self._withdrawal,
        }

    def _reply(self, owner: str, frame: bytes) -> None:
        reply = decode(m.RoundReply, frame)
        if reply.advertisement is not None:
            key = decode(m.AdvertisementBody, reply.advertisement.body).mask_key
            self._require(key not in self._keys, f"{owner} advertises a key that was used before")
            self._keys[key] = None
        elif reply.revelation is not None:
            for shares, one in ((reply.revelation.seed_shares, "seed"), (reply.revelation.key_shares, "key")):
                for share in shares:
                    before = self._shares.setdefault((owner, reply.nonce, share.position), one)
                    self._require(before == one, f"{owner} reveals shares of both kinds about {share.position}")

    def _order(self, owner: str, frame: bytes) -> None:
        order = decode(m.RoundOrder, frame)
        if order.outcome is not None and order.outcome.committed:
            self._rounds_acknowledged[owner, order.nonce] = None
            self._dirty = True
        elif order.terms is not None:
            self.rounds_called += 1
            nonce = self._numbers.setdefault(order.terms.number, order.terms.nonce)
            self._require(nonce == order.terms.nonce, f"round number {order.terms.number} is used twice")

    def _contribution(self, owner: str, frame: bytes) -> None:
        self._require(not self._is_masked, f"{owner} sends an unmasked contribution where masking is required")
        record = decode(m.ContributeRequest, frame).record
        if record is not None:
            body = decode(m.ContributionBody, record.body)
            self._records[owner, body.sequence] = body.domain

    def _record(self, owner: str, frame: bytes) -> None:
        body = decode(m.WithdrawalBody, decode(m.SignedRecord, frame).body)
        self._records[owner, body.sequence] = body.domain

    def _commitment(self, owner: str, frame: bytes) -> None:
        committed = decode(m.ContributeResponse, frame).committed
        if committed is not None:
            self._acknowledge(owner, committed.sequence, gone=False)

    def _withdrawal(self, owner: str, frame: bytes) -> None:
        self._acknowledge(owner, decode(m.WithdrawResponse, frame).sequence, gone=True)

    def _acknowledge(self, owner: str, sequence: int, *, gone: bool) -> None:
        domain = self._records.get((owner, sequence))
        if domain is None:
            return
        before = self._acknowledged.get((owner, domain), (0, False))
        self._acknowledged[owner, domain] = max(before, (sequence, gone))
        self._dirty = True

    # Masks

    def _put_on(self, plain: Vector, masked: Vector) -> None:
        process = AT_WORK.get()
        owner = process.host.name if process else ""
        bare = int(np.count_nonzero(plain == masked))
        self._require(bare == 0, f"{bare} numbers of {owner}'s vector wear no mask")
        self._last_masked[owner] = plain, masked.copy()
        self._masked.setdefault(owner, {})[masked.tobytes()] = plain

    def _received(self, nonce: bytes, owner: str, received: Vector) -> None:
        plain = self._masked.get(owner, {}).get(received.tobytes())
        if plain is None:
            self._require(self._world.hosts[owner].liar, f"a vector of {owner} arrived that it has not masked")
            last, masked = self._last_masked[owner]
            if last.size != received.size:
                last, masked = np.zeros_like(received), np.zeros_like(received)
            plain = last + (received - masked)
            self.tainted[owner] = None
        self._effective[nonce, owner] = plain

    def _about_to_commit(self, federation: Federation, terms: m.RoundTerms, summed: Sum) -> None:
        owners = [body.owner for body in summed.survivors]
        truth = np.zeros_like(summed.vector)
        for owner in owners:
            truth += self._effective[terms.nonce, owner]
        lying = any(host.liar for host in self._world.hosts.values())
        self._require(
            np.array_equal(truth, summed.vector) or lying, f"round {terms.number} gives another sum than its vectors'"
        )
        differing = {body.owner for body in summed.survivors if body.changed}
        if terms.kind is m.RoundKind.FULL:
            differing |= set(terms.members) - set(owners)
        self._require(
            len(differing) >= federation.manifest.min_cohort, f"round {terms.number} hides {len(differing)} owners only"
        )
        before = self._totals[self._last_round(federation)]
        if terms.kind is m.RoundKind.FULL:
            before = FederationSum(federation.manifest.layout)
        try:
            part = as_sum(federation.manifest.layout, summed.domains, summed.vector.copy())
            self._totals[terms.nonce] = before.plus(part, federation.manifest.mass)
        except RidgewayError:
            return

    # The ledger

    def committed(self, process: Process) -> None:
        """See `Watcher`."""
        if process.host.name == COORDINATOR:
            self._dirty = True

    def stepped(self) -> None:
        """See `Watcher`."""
        founded = self._coordinator.founded
        process = self._world.hosts[COORDINATOR].process
        if founded is None or process is None or not process.alive or self._coordinator.process is not process:
            return
        if self._dirty or founded is not self._seen:
            self._dirty, self._seen = False, founded
            self.check(founded.federation)

    def check(self, federation: Federation) -> None:
        """Compare a coordinator's sum and ledger with the model.

        Raises:
            Violation: they differ.
        """
        self.checks += 1
        self.manifest = federation.manifest
        self._totals.setdefault(b"", FederationSum(federation.manifest.layout))
        if self._is_masked:
            expected = self._totals[self._last_round(federation)]
        else:
            expected = self._rebuilt(federation)
            self._check_acknowledged(federation)
        digest = federation.sum.digest(federation.manifest_digest)
        self._require(digest == expected.digest(federation.manifest_digest), "the sum is not the model's")
        if not self._dishonest and self._is_masked:
            self._check_rounds(federation)
        self._world.note(COORDINATOR, "sum", digest.hex()[:16])

    def _rebuilt(self, federation: Federation) -> FederationSum:
        total = FederationSum(federation.manifest.layout)
        members = federation.membership.members
        for entry in federation.ledger.entries():
            if entry.payload_digest is None:
                continue
            state = members[entry.owner].state
            self._require(
                state not in {m.MemberState.LEFT, m.MemberState.EVICTED}, f"{entry.owner} is gone and in the sum"
            )
            known = self._known.get((entry.owner, entry.domain, entry.payload_digest))
            if known is None:
                raise Violation(f"the ledger holds of {entry.owner} what it never had")
            total.add(entry.domain, known.vector, known.rows)
        return total

    def _check_acknowledged(self, federation: Federation) -> None:
        standing = {(entry.owner, entry.domain): entry for entry in federation.ledger.entries()}
        for (owner, domain), (sequence, gone) in self._acknowledged.items():
            if domain == "":
                left = [entry for (name, _), entry in standing.items() if name == owner and entry.sequence < sequence]
                alive = [entry for entry in left if entry.payload_digest is not None]
                self._require(not alive, f"{owner} has left and is in the sum again")
                continue
            entry = standing.get((owner, domain))
            self._require(
                entry is not None and entry.sequence >= sequence,
                f"{owner}'s {domain}, sequence {sequence}, was acknowledged and is lost",
            )
            if entry is not None and gone and entry.sequence == sequence:
                self._require(entry.payload_digest is None, f"the tombstone of {owner}'s {domain} is gone")

    def _check_rounds(self, federation: Federation) -> None:
        rows = federation.ledger._execute("SELECT nonce FROM rounds")
        nonces = {bytes(nonce) for (nonce,) in rows}
        self.rounds_committed = len(nonces)
        trials = {nonce for nonce in self._numbers.values() if nonce not in self._totals}
        for owner, nonce in self._rounds_acknowledged:
            self._require(nonce in nonces or nonce in trials, f"a round was acknowledged to {owner} and is lost")
        self._require(not any(federation.payloads._folder.iterdir()), "a masked federation holds somebody's payload")

    def _last_round(self, federation: Federation) -> bytes:
        rows = federation.ledger._execute("SELECT nonce FROM rounds ORDER BY number DESC LIMIT 1")
        nonce = bytes(rows[0][0]) if rows else b""
        if nonce not in self._totals:
            raise Violation("the ledger holds a round that nobody committed")
        return nonce

    @property
    def _is_masked(self) -> bool:
        return self.manifest is not None and self.manifest.masking is Masking.REQUIRED

    def _require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise Violation(otherwise)
