"""How a round among peers ended, as a record: what its cohort voted for, and enough of the votes.

A round has one key. Under it lies either that the round came to nothing (sequence number 1), or its sum (2), so that of
both the sum counts everywhere. A member of the cohort votes once in a round, for one body. A sum needs the votes of
more than two thirds of the cohort, t of n; that the round came to nothing needs n - t + 1, so both come about only if
somebody voted twice, which everybody sees. The body is the same whoever gathers the votes; which votes he found is the
record's signature, and not part of its digest.
"""

import hashlib
from collections.abc import Mapping

from ridgeway.crypto import labels
from ridgeway.crypto.identity import verify
from ridgeway.crypto.owner_name import check_domain_name, check_domains, check_owner_name
from ridgeway.crypto.payload_digest import CHUNK_BYTES
from ridgeway.gossip.record import Payload
from ridgeway.manifest import Manifest
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode, encode
from ridgeway.proto.records import SEQUENCE_MAX
from ridgeway.roster.keys import GENERATION_MAX, RecordKey, RecordKind
from ridgeway.roster.records import RECORD_VERSION, BadRecord, UnknownVersion
from ridgeway.round_vector import length
from ridgeway.secagg.plan import COMPLETE_MAX, plan
from ridgeway.secagg.terms import NONCE_BYTES, ROUND_VERSION

# Of a round's key: that it came to nothing gives way to its sum.
CAME_TO_NOTHING, COMMITTED = 1, 2
# Everybody sees everybody, so that each member checks the whole cohort against its own records.
COHORT_MAX = COMPLETE_MAX
NUMBER_BYTES = 8
_DIGEST_BYTES = 32


class TooFewVotes(BadRecord):
    """A certificate that does not hold the votes it must."""


def votes_for_sum(size: int) -> int:
    """How many of a cohort must vote for a sum (t)."""
    return plan(size).threshold


def votes_for_nothing(size: int) -> int:
    """How many of a cohort must vote that the round came to nothing: one more than could be missing from t."""
    return size - votes_for_sum(size) + 1


def votes_needed(body: m.RoundBody) -> int:
    """How many votes a body needs."""
    return (votes_for_sum if body.committed else votes_for_nothing)(len(body.seats))


def body_digest(body: bytes) -> bytes:
    """What a vote names a serialised body by, 32 bytes."""
    return hashlib.sha256(labels.ROUND_BODY_DIGEST + body).digest()


def terms_of(body: m.RoundBody) -> m.RoundTerms:
    """A body's terms.

    Raises:
        BadRecord: it has none.
    """
    if body.terms is None:
        raise BadRecord("a round's terms are missing")
    return body.terms


def round_key(terms: m.RoundTerms) -> RecordKey:
    """Under which key it is passed on how a round ended."""
    return RecordKey(RecordKind.ROUND, terms.aggregator, terms.generation, terms.issuer, terms.nonce.hex())


def seat_key(seat: m.RoundSeat) -> RecordKey:
    """The membership that a seat belongs to."""
    return RecordKey(RecordKind.MEMBERSHIP, seat.owner, seat.generation, seat.issuer)


def came_to_nothing(terms: m.RoundTerms, seats: tuple[m.RoundSeat, ...]) -> m.RoundBody:
    """The body that says so; the same whoever makes it."""
    plain = tuple(m.RoundSeat(seat.owner, seat.generation, seat.issuer) for seat in seats)
    return m.RoundBody(RECORD_VERSION, terms, plain)


def vote_of(terms: m.RoundTerms, seat: m.RoundSeat, digest: bytes) -> m.VoteBody:
    """What the member in a seat signs for a body."""
    return m.VoteBody(
        RECORD_VERSION,
        terms.federation_id,
        seat.owner,
        seat.generation,
        seat.issuer,
        terms.number,
        terms.nonce,
        digest,
    )


def body_in(record: m.GossipRecord) -> m.RoundBody | None:
    """What a record, judged before, says of a round; None if it says nothing of one."""
    kind = RecordKey.parse(record.key).kind
    if kind is RecordKind.PROPOSAL:
        return decode(m.RoundBody, decode(m.ProposalBody, record.body).round)
    return decode(m.RoundBody, record.body) if kind is RecordKind.ROUND else None


def payload_of(body: m.RoundBody) -> Payload | None:
    """The sum of a committed round; None of one that came to nothing."""
    return Payload.of(body.payload_bytes, body.chunk_digests) if body.committed else None


def certified(body: bytes, signatures: Mapping[int, bytes]) -> m.GossipRecord | None:
    """The record of a body from the votes for it, by position; None if they are too few.

    Args:
        body: serialised, checked before.
        signatures: checked before.
    """
    parsed = decode(m.RoundBody, body)
    needed = votes_needed(parsed)
    if len(signatures) < needed:
        return None
    chosen = sorted(signatures.items())[:needed]
    certificate = m.RoundCertificate(tuple(m.CertifiedVote(position, signature) for position, signature in chosen))
    sequence = COMMITTED if parsed.committed else CAME_TO_NOTHING
    return m.GossipRecord(str(round_key(terms_of(parsed))), sequence, body, encode(certificate))


def check_certificate(body: m.RoundBody, signed: m.SignedRecord, keys: tuple[bytes, ...]) -> None:
    """Check that enough of the cohort voted for exactly this body.

    Args:
        body: what `signed` holds.
        signed: body and certificate.
        keys: the identity keys of the cohort, by position.

    Raises:
        TooFewVotes, BadSignature, MalformedMessage: they did not.
    """
    votes = decode(m.RoundCertificate, signed.signature).votes
    positions = {vote.position for vote in votes}
    if len(positions) < max(len(votes), votes_needed(body)) or max(positions) >= len(keys):
        raise TooFewVotes(f"{len(positions)} of a cohort of {len(keys)} voted, {votes_needed(body)} must")
    digest, terms = body_digest(signed.body), terms_of(body)
    for vote in votes:
        said = vote_of(terms, body.seats[vote.position], digest)
        verify(keys[vote.position], labels.VOTE_SIGNATURE, encode(said), vote.signature)


def open_body(data: bytes, manifest: Manifest) -> m.RoundBody:
    """Read how a round ended, and check that it may have ended so.

    Raises:
        MalformedMessage, BadRecord, UnknownVersion, BadName, TooManyDomains: it may not.
    """
    body = decode(m.RoundBody, data)
    if body.format_version != RECORD_VERSION:
        raise UnknownVersion(f"a round's record has version {body.format_version}; upgrade")
    check_terms(terms_of(body), manifest)
    _check_seats(body, manifest)
    if body.committed:
        _check_sum(body, manifest)
    elif body.domains or body.payload_bytes or body.chunk_digests:
        raise BadRecord("a round that came to nothing has no sum")
    return body


def check_terms(terms: m.RoundTerms, manifest: Manifest) -> None:
    """What holds for the terms of every round among peers.

    Raises:
        BadRecord, UnknownVersion, BadName: it does not.
    """
    if terms.format_version != ROUND_VERSION:
        raise UnknownVersion(f"a round has version {terms.format_version}, this release knows {ROUND_VERSION}; upgrade")
    if (terms.federation_id, terms.manifest_digest) != (manifest.federation_id, manifest.digest()):
        raise BadRecord("this round is of another federation, or of another manifest")
    if len(terms.nonce) != NONCE_BYTES or not 1 <= terms.number <= SEQUENCE_MAX:
        raise BadRecord("a round has a nonce of 32 bytes and a number above 0")
    # Era 0 begins with nothing in the sum, so no round begins it; each full round begins the next.
    before = terms.era - 1 if terms.kind is m.RoundKind.FULL else terms.era
    if terms.kind not in {m.RoundKind.INCREMENTAL, m.RoundKind.FULL} or before < 0:
        raise BadRecord("among peers a round is incremental or full")
    if len(terms.base) != (NONCE_BYTES if before else 0):
        raise BadRecord("a round names the full round that began its era, and none in the first")
    check_owner_name(terms.aggregator)
    if list(terms.members) != sorted(set(terms.members)):
        raise BadRecord("the owners in the sum are not named in order")


def _check_seats(body: m.RoundBody, manifest: Manifest) -> None:
    owners = [seat.owner for seat in body.seats]
    if owners != sorted(set(owners)) or not manifest.min_cohort <= len(owners) <= COHORT_MAX:
        raise BadRecord(f"a cohort has {manifest.min_cohort} to {COHORT_MAX} owners, each once and in order")
    for seat in body.seats:
        check_owner_name(seat.owner)
        check_domains(seat.domains)
        check_domains(seat.remaining)
        if not 1 <= seat.generation <= GENERATION_MAX:
            raise BadRecord(f"a generation lies between 1 and {GENERATION_MAX}")
        if not seat.survived and (seat.changed or seat.domains or seat.remaining):
            raise BadRecord("a round states what its survivors brought, and of nobody else")


def _check_sum(body: m.RoundBody, manifest: Manifest) -> None:
    terms = terms_of(body)
    survivors = [seat for seat in body.seats if seat.survived]
    differing = {seat.owner for seat in survivors if seat.changed}
    if terms.kind is m.RoundKind.FULL:
        differing |= set(terms.members) - {seat.owner for seat in survivors}
    if len(survivors) < votes_for_sum(len(body.seats)) or len(differing) < manifest.min_cohort:
        raise BadRecord("this round's sum hides too few owners; nobody may have opened it")
    for name in body.domains:
        check_domain_name(name)
    brought = {name for seat in survivors for name in seat.domains}
    if list(body.domains) != sorted(set(body.domains)) or not brought <= set(body.domains):
        raise BadRecord("a round's domains are not in order, or leave some out")
    expected = NUMBER_BYTES * length(manifest.layout, len(body.domains))
    chunks = -(-expected // CHUNK_BYTES)
    if body.payload_bytes != expected or [len(digest) for digest in body.chunk_digests] != [_DIGEST_BYTES] * chunks:
        raise BadRecord("a round's sum has another length than this federation's vectors")
