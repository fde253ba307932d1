"""The federation as its coordinator keeps it: ledger, payloads and the exact sum, changed together.

Everything here blocks and is called by one thread at a time. A change is first committed to the ledger and then applied
to the sum in memory; the sum is derived state, rebuilt at start by adding the committed integers, so nothing can be
counted twice and a crash between the two steps loses nothing. A contribution is acknowledged between the two: whoever
looks at the sum sees it applied.
"""

import logging
import secrets
import time
from collections import deque
from dataclasses import dataclass

from ridgeway.contribution_check import ContributionRefused, check_of
from ridgeway.coordinator.ledger import CommittedRound, Entry, Ledger, Member, Totals
from ridgeway.coordinator.masked_total import MaskedTotals, file_name
from ridgeway.coordinator.membership import Membership, NotAMember
from ridgeway.coordinator.payload_store import PayloadKey, PayloadStore, StagedPayload
from ridgeway.coordinator.restoration import forgotten
from ridgeway.coordinator.trials import Trials
from ridgeway.crypto.owner_name import DOMAINS_PER_OWNER, TooManyDomains, check_domain_name
from ridgeway.crypto.payload_digest import payload_digest, record_digest
from ridgeway.errors import RidgewayError
from ridgeway.fixed_point import HEADROOM_BITS
from ridgeway.manifest import Manifest, Masking
from ridgeway.narrow_integers import Unpacker, unpack_blocks
from ridgeway.proto.messages import (
    ContributionBody,
    Expert,
    MemberState,
    RoundKind,
    RoundTerms,
    SignedRecord,
    WithdrawalBody,
)
from ridgeway.proto.records import MalformedRecord, open_contribution, open_withdrawal
from ridgeway.protocol.admission import Admission, admit
from ridgeway.protocol.upload import UploadAssembly
from ridgeway.round_vector import as_sum
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.secagg.aggregator import Sum
from ridgeway.secagg.terms import NONCE_BYTES, ROUND_VERSION
from ridgeway.sums import FederationSum

_log = logging.getLogger("ridgeway.coordinator")

ENTRIES_MAX = 1 << HEADROOM_BITS
# Columns of the router, which everybody is sent: a node takes no artifact above 128 MiB (`proto/router_artifact.py`).
DOMAINS_MAX = 1000
# Names that an owner ever contributed to: each leaves a tombstone for good.
NAMES_PER_OWNER = 1024


class WrongOwner(RidgewayError):
    """A record of another owner or federation than the caller's."""


class WrongManifest(RidgewayError):
    """Statistics computed under another manifest."""


class WrongPayloadSize(RidgewayError):
    """A payload of another length than the federation's vectors."""


class FederationFull(RidgewayError):
    """More contributions than the fixed-point head-room allows."""


class UnknownDomain(RidgewayError):
    """A domain that the owner does not contribute to."""


class MaskingRequired(RidgewayError):
    """A contribution that shows an owner's sums where the manifest forbids it."""


class StillInSum(RidgewayError):
    """An owner that would leave while the masked sum still holds its part."""


class UnknownOwner(RidgewayError):
    """An owner that never enrolled."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A checked record whose payload is still to come, or was committed before."""

    record: SignedRecord
    body: ContributionBody
    key: PayloadKey
    repeated: bool


@dataclass(frozen=True, slots=True)
class Change:
    """The outcome of a change: the sum's digest after it, and whether it had been made before."""

    sequence: int
    sum_digest: bytes
    repeated: bool


class Federation:
    """One federation's durable state and sum."""

    def __init__(self, directory: DataDirectory, manifest: Manifest, ledger: Ledger) -> None:
        self.manifest = manifest
        self.manifest_digest = manifest.digest()
        self.ledger = ledger
        self.payloads = PayloadStore(directory.folder("payloads"))
        self.membership = Membership(manifest.federation_id, forgotten=forgotten(ledger))
        self.membership.reload(self.ledger)
        self.trials = Trials(self.ledger, manifest)
        self.totals = MaskedTotals(directory.folder("totals"), manifest)
        self._sum = self._kept_sum() if manifest.masking is Masking.REQUIRED else self._rebuilt_sum()
        self._sum_digest: bytes | None = None
        # Committed changes that are not in the sum yet: what stood before, what stands now, and its payload. The
        # publisher settles right after each change, so these are the changes of one.
        self._unsettled: deque[tuple[Entry | None, Entry | None, memoryview | None]] = deque()

    @property
    def sum(self) -> FederationSum:
        """The exact sum of what is committed."""
        self.settle()
        return self._sum

    def settle(self) -> None:
        """Bring what was committed into the sum, and forget payloads that were replaced.

        Raises:
            PayloadMissing: what a contribution replaced is not on disk; it stays unsettled, and the sum as it was.
        """
        while self._unsettled:
            self._replace(*self._unsettled[0])
            self._unsettled.popleft()

    @property
    def sum_digest(self) -> bytes:
        """SHA-256 of the present sum, 32 bytes; computed when it is asked for, since no commit should wait for it."""
        self.settle()
        if self._sum_digest is None:
            self._sum_digest = self.sum.digest(self.manifest_digest)
        return self._sum_digest

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()

    def _kept_sum(self) -> FederationSum:
        named = self.ledger.setting("masked_total")
        self.totals.fetch(named, self.ledger.kept_file)
        self.totals.keep_only(named)
        return self.totals.read(named)

    def _rebuilt_sum(self) -> FederationSum:
        total = FederationSum(self.manifest.layout)
        standing = [
            (entry, entry.payload_digest) for entry in self.ledger.entries() if entry.payload_digest is not None
        ]
        self.payloads.keep_only((entry.payload_key for entry, _ in standing), time.time())
        for entry, digest in standing:
            payload = self.payloads.whole(entry.payload_key, digest, self.ledger.kept_file)
            total.add_blocks(entry.domain, unpack_blocks(payload, entry.bytes_per_number), entry.rows)
        return total

    # Contributions

    def offer(self, member: Member, record: SignedRecord) -> Offer:
        """Check a contribution's record, before its payload.

        Raises:
            BadSignature, MalformedMessage, MalformedRecord, WrongOwner, WrongManifest, WrongPayloadSize, BadName,
            StaleSequence, ConflictingRecord, FederationFull, TooManyDomains, MaskingRequired: refused; nothing was
            changed.
        """
        if self.manifest.masking is Masking.REQUIRED:
            raise MaskingRequired(
                "this federation takes masked contributions only; upgrade the node that sent this one"
            )
        body = open_contribution(record, member.identity_public_key)
        self._check_owner(member, body.owner, body.federation_id)
        check_domain_name(body.domain)
        if body.manifest_digest != self.manifest_digest:
            raise WrongManifest(
                "these statistics were computed under another manifest; fetch it and compute them again"
            )
        size = body.bytes_per_number * self.manifest.layout.numbers
        if body.payload_bytes != size:
            raise WrongPayloadSize(
                f"a payload here has {size} bytes at {body.bytes_per_number} a number, this one {body.payload_bytes}; "
                "check the embedder"
            )
        digest = record_digest(record.body)
        standing = self.ledger.entry(body.owner, body.domain)
        admission = admit(standing.standing if standing else None, body.sequence, digest)
        if standing is None or standing.payload_digest is None:
            self._check_room(body, known=standing is not None)
        key = PayloadKey(body.owner, body.domain, digest)
        return Offer(record, body, key, admission is Admission.REPEAT)

    def _check_room(self, body: ContributionBody, *, known: bool) -> None:
        """Whether there is room for another contribution, of a domain that the owner had before or not."""
        entries = self.entries_of(body.owner)
        live = sum(entry.payload_digest is not None for entry in entries)
        if live >= DOMAINS_PER_OWNER or (not known and len(entries) >= NAMES_PER_OWNER):
            raise TooManyDomains(
                f"an owner may contribute to {DOMAINS_PER_OWNER} domains at a time and {NAMES_PER_OWNER} ever; put some"
                " together"
            )
        if body.domain not in self.sum.domains and len(self.sum.domains) >= DOMAINS_MAX:
            raise FederationFull(f"the federation has {DOMAINS_MAX} domains, its limit; contribute to one of these")
        if not known and self.ledger.entry_count() >= ENTRIES_MAX:
            raise FederationFull(f"the federation holds {ENTRIES_MAX} contributions, its limit; evict owners that left")

    def take_in(self, member: Member, record: SignedRecord) -> Offer:
        """Check a record again once its upload has a place, and make room for its payload.

        Raises: as `offer`.
        """
        offer = self.offer(member, record)
        if not offer.repeated:
            # What is replaced must be out of the sum before its file may go.
            self.settle()
            committed = [entry.payload_key for entry in self.entries_of(member.owner)]
            self.payloads.make_room(offer.key, committed)
        return offer

    def stage(self, offer: Offer) -> StagedPayload:
        """Open the file that an offer's payload goes to, with what an earlier try left of it."""
        body, manifest = offer.body, self.manifest
        assembly = UploadAssembly(body.payload_bytes, body.chunk_digests)
        check = check_of(manifest.layout, manifest.mass, body.rows)
        return self.payloads.resume(offer.key, assembly, Unpacker(body.bytes_per_number), check)

    def finish(self, offer: Offer, staged: StagedPayload) -> None:
        """Make a whole payload durable; one that fails its check is removed.

        Raises:
            IncompleteUpload: chunks are missing.
            ContributionRefused: the numbers cannot be one domain's statistics.
        """
        try:
            staged.finish()
        except ContributionRefused:
            self.payloads.remove(offer.key)
            raise

    def commit(self, offer: Offer) -> bool:
        """Commit a checked contribution, which `settle` then adds to the sum; False if it was committed before.

        Raises:
            NotAMember, StaleSequence, ConflictingRecord: the owner or its standing changed meanwhile; nothing changed.
        """
        body = offer.body
        self._require_active(body.owner)
        old = self.ledger.entry(body.owner, body.domain)
        if admit(old.standing if old else None, body.sequence, offer.key.record_digest) is Admission.REPEAT:
            return False
        digest, width = payload_digest(body.payload_bytes, body.chunk_digests), body.bytes_per_number
        entry = Entry(
            body.owner, body.domain, body.sequence, offer.key.record_digest, body.rows, digest, _now_ms(), width
        )
        payload = self.payloads.payload(offer.key)
        self.ledger.put(entry, offer.record, payload, old.payload_key if old else None)
        self._unsettled.append((old, entry, payload))
        _log.info("committed %s/%s, sequence %d", body.owner, body.domain, body.sequence)
        return True

    def withdraw(self, member: Member, record: SignedRecord) -> Change:
        """Take one domain of an owner out of the sum; its sequence number stays taken.

        Raises:
            BadSignature, MalformedMessage, MalformedRecord, WrongOwner, UnknownDomain, StaleSequence,
            ConflictingRecord: refused; nothing was changed.
        """
        body = self._open_withdrawal(member, record)
        old = self.ledger.entry(body.owner, body.domain)
        if old is None:
            raise UnknownDomain(
                f"{body.owner} contributes nothing to {body.domain[:80]!r}; `ridgeway status` lists what it does"
            )
        digest = record_digest(record.body)
        if admit(old.standing, body.sequence, digest) is Admission.REPEAT:
            return Change(body.sequence, self.sum_digest, repeated=True)
        tombstone = Entry(body.owner, body.domain, body.sequence, digest, 0, None, _now_ms())
        self.ledger.put(tombstone, record, replaced=old.payload_key)
        self._unsettled.append((old, None, None))
        _log.info("withdrew %s/%s: sum %s", body.owner, body.domain, self.sum_digest.hex())
        return Change(body.sequence, self.sum_digest, repeated=False)

    def leave(self, member: Member, record: SignedRecord) -> Change:
        """Take everything of an owner out of the sum and end its membership; a repeat is acknowledged.

        Raises:
            BadSignature, MalformedMessage, MalformedRecord, WrongOwner, StaleSequence: refused; nothing was changed.
        """
        body = self._open_withdrawal(member, record)
        if body.domain:
            raise MalformedRecord(
                f"this record withdraws {body.domain[:80]!r} only; sign one without a domain to leave"
            )
        if member.state is MemberState.LEFT and member.leave_record == record.body:
            return Change(body.sequence, self.sum_digest, repeated=True)
        self._require_active(body.owner)
        if body.owner in self.ledger.places():
            raise StillInSum(f"the sum still holds {body.owner}'s part; only a round of several owners takes it out")
        for entry in self.entries_of(body.owner):
            admit(entry.standing, body.sequence, b"leave")
        self._remove(body.owner, MemberState.LEFT, record.body)
        return Change(body.sequence, self.sum_digest, repeated=False)

    # Rounds of secure aggregation

    def call_round(self, kind: RoundKind, trial: tuple[int, tuple[str, ...]] = (0, ())) -> RoundTerms:
        """The terms of a new round, under a number that was never used."""
        members = tuple(self.ledger.places()) if kind is RoundKind.FULL else ()
        return RoundTerms(
            format_version=ROUND_VERSION,
            federation_id=self.manifest.federation_id,
            manifest_digest=self.manifest_digest,
            number=self.ledger.call_round(),
            nonce=secrets.token_bytes(NONCE_BYTES),
            kind=kind,
            router_version=trial[0],
            router_domains=trial[1],
            members=members,
        )

    def commit_round(self, terms: RoundTerms, summed: Sum) -> bytes:
        """Add a round's sum, or for a full round put it in the place of what was there; the new sum's digest.

        Raises:
            InconsistentSum: the sum cannot be one of contributions; nothing was changed.
        """
        manifest = self.manifest
        part = as_sum(manifest.layout, summed.domains, summed.vector)
        before = self.sum
        if terms.kind is RoundKind.FULL:
            before = FederationSum(manifest.layout)
        total = before.plus(part, manifest.mass)
        written = self.totals.write(total)
        files = Totals(written.name, written.pieces, file_name(self.ledger.setting("masked_total")))
        places = {body.owner: body.remaining for body in summed.survivors if body.domains or body.remaining}
        self.ledger.commit_round(
            CommittedRound(terms.number, terms.nonce, terms.kind, _now_ms()), places, written.named, files
        )
        self._sum, self._sum_digest = total, None
        self.totals.keep_only(written.named)
        _log.info("committed round %d of %d owners: sum %s", terms.number, len(summed.survivors), self.sum_digest.hex())
        return self.sum_digest

    # Administration

    def evict(self, owner: str) -> bytes:
        """Take everything of an owner out of the sum and refuse its certificates; the sum's digest.

        Raises:
            UnknownOwner: nobody of this name ever enrolled.
        """
        self._require_known(owner)
        self._remove(owner, MemberState.EVICTED, None)
        return self.sum_digest

    def revoke(self, owner: str) -> bytes:
        """Refuse an owner's certificates from now on; its contributions stay in the sum; the sum's digest.

        Raises:
            UnknownOwner: nobody of this name ever enrolled.
            NotAMember: it is no member any more.
        """
        self._require_known(owner)
        self._require_active(owner)
        self.ledger.revoke(owner)
        self.membership.reload(self.ledger)
        _log.info("revoked %s", owner)
        return self.sum_digest

    def set_experts(self, owner: str, experts: tuple[Expert, ...]) -> None:
        """Replace an owner's experts."""
        if tuple(e for e in self.ledger.experts() if e.owner == owner) != experts:
            self.ledger.set_experts(owner, experts)

    # What is inside

    def entries_of(self, owner: str) -> list[Entry]:
        """What stands of one owner, tombstones too."""
        return self.ledger.entries(owner)

    def next_sequence(self, owner: str) -> int:
        """The smallest sequence number above everything of an owner."""
        return 1 + max((entry.sequence for entry in self.entries_of(owner)), default=0)

    def _replace(self, old: Entry | None, new: Entry | None, payload: memoryview | None) -> None:
        """Apply a committed change to the sum, and forget the payload that it replaced."""
        held = old is not None and old.payload_digest is not None
        if old is not None and held:
            numbers = unpack_blocks(self.payloads.payload(old.payload_key), old.bytes_per_number)
            self._sum.subtract_blocks(old.domain, numbers, old.rows)
        if new is not None and payload is not None:
            self._sum.add_blocks(new.domain, unpack_blocks(payload, new.bytes_per_number), new.rows)
        self._sum_digest = None
        if old is not None and held:
            self.payloads.remove(old.payload_key)

    def _remove(self, owner: str, state: MemberState, leave_record: bytes | None) -> None:
        entries = [entry for entry in self.entries_of(owner) if entry.payload_digest is not None]
        self.ledger.remove_member(owner, state, leave_record, _now_ms())
        self.membership.reload(self.ledger)
        self._unsettled.extend((entry, None, None) for entry in entries)
        _log.info("%s is %s: sum %s", owner, state.name.lower(), self.sum_digest.hex())

    def _open_withdrawal(self, member: Member, record: SignedRecord) -> WithdrawalBody:
        body = open_withdrawal(record, member.identity_public_key)
        self._check_owner(member, body.owner, body.federation_id)
        return body

    def _check_owner(self, member: Member, owner: str, federation_id: str) -> None:
        if owner != member.owner or federation_id != self.manifest.federation_id:
            raise WrongOwner(
                f"the record is {owner[:80]!r}'s, the caller is {member.owner}; an owner hands in its own records only"
            )

    def _require_known(self, owner: str) -> Member:
        member = self.membership.members.get(owner)
        if member is None:
            raise UnknownOwner(f"nobody called {owner[:80]!r} ever joined; `ridgeway members` lists who did")
        return member

    def _require_active(self, owner: str) -> None:
        state = self._require_known(owner).state
        if state is not MemberState.ACTIVE:
            raise NotAMember(f"{owner} is no member any more ({state.name.lower()}); it needs a new invitation")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
