"""Whether a record is its author's: the trust layer that gossip asks about every record.

The verdict depends on the record and on those that it names, never on what else is known or on the time, so that all
peers come to the same one. A record of an owner that has gone is still its owner's; that it does not count any more is
for `standing` to say. Where the chain of trust begins is the charter, and through it the certificate that was pinned.
"""

from collections.abc import Callable

from ridgeway.crypto.identity import BadSignature, verify
from ridgeway.crypto.labels import REDEMPTION_SIGNATURE
from ridgeway.errors import RidgewayError
from ridgeway.gossip.judging import Accept, InvalidRecord, Lookup, NotYet
from ridgeway.gossip.record import Payload
from ridgeway.manifest import Masking
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode
from ridgeway.proto.records import open_contribution, open_withdrawal
from ridgeway.roster.charter import Charter
from ridgeway.roster.keys import RecordKey, RecordKind, grant_key
from ridgeway.roster.records import (
    BadRecord,
    Body,
    UnknownVersion,
    key_of,
    open_signed,
    peek,
    redemption_body,
    sequence_of,
)
from ridgeway.roster.round_records import (
    CAME_TO_NOTHING,
    COMMITTED,
    check_certificate,
    open_body,
    payload_of,
    round_key,
    seat_key,
    terms_of,
)


class _Waits(Exception):
    """Another record is needed first."""

    def __init__(self, key: RecordKey) -> None:
        super().__init__(str(key))


class TrustJudge:
    """Judges the records of one federation.

    Args:
        charter: of the federation.
    """

    def __init__(self, charter: Charter) -> None:
        self._charter = charter
        self._manifest_digest = charter.manifest.digest()

    def __call__(self, record: m.GossipRecord, lookup: Lookup) -> Accept | NotYet:
        """The verdict.

        Raises:
            InvalidRecord: nobody honest would have passed it on.
        """
        if record.key.partition("/")[0] not in set(RecordKind):
            return NotYet()
        try:
            key = RecordKey.parse(record.key)
            payload = self._judge(key, record, lookup)
        except _Waits as waits:
            return NotYet(str(waits))
        except UnknownVersion:
            return NotYet()
        except RidgewayError as error:
            raise InvalidRecord(f"{record.key[:200]}: {error}") from error
        return Accept(key.owner, payload)

    def _judge(self, key: RecordKey, record: m.GossipRecord, lookup: Lookup) -> Payload | None:
        signed = m.SignedRecord(record.body, record.signature)
        if key.kind in _OF_MASKING and (self._charter.manifest.masking is Masking.REQUIRED) != _OF_MASKING[key.kind]:
            raise BadRecord("a federation has contributions, or rounds if it masks; this record is of the other kind")
        if key.kind is RecordKind.ROUND:
            return self._round(key, record, lookup)
        if key.kind is RecordKind.PROPOSAL:
            return self._proposal(key, record, lookup)
        if key.kind is RecordKind.CONTRIBUTION:
            return self._contribution(key, record.sequence, signed, _member_key(key, lookup))
        body = _OPENERS[key.kind](self._charter, key, signed, lookup)
        if str(key_of(body)) != record.key or sequence_of(body) != record.sequence:
            raise BadRecord("its key or number is not what was signed")
        return None

    def _contribution(self, key: RecordKey, sequence: int, signed: m.SignedRecord, public_key: bytes) -> Payload | None:
        body: m.ContributionBody | m.WithdrawalBody
        try:
            body = open_contribution(signed, public_key)
        except BadSignature:
            body = open_withdrawal(signed, public_key)
        said = (body.federation_id, body.owner, body.generation, body.domain, body.sequence)
        if said != (self._charter.federation_id, key.owner, key.generation, key.domain, sequence) or sequence < 1:
            raise BadRecord("its key or number is not what was signed")
        if isinstance(body, m.WithdrawalBody):
            return None
        if body.manifest_digest != self._manifest_digest:
            raise BadRecord("these statistics were computed under another manifest")
        if body.payload_bytes != body.bytes_per_number * self._charter.manifest.layout.numbers:
            raise BadRecord("its payload has another length than this federation's vectors")
        return Payload.of(body.payload_bytes, body.chunk_digests)

    def _round(self, key: RecordKey, record: m.GossipRecord, lookup: Lookup) -> Payload | None:
        """Nobody signs a round's end alone: what counts are the votes of its cohort."""
        body = open_body(record.body, self._charter.manifest)
        sequence = COMMITTED if body.committed else CAME_TO_NOTHING
        if round_key(terms_of(body)) != key or record.sequence != sequence:
            raise BadRecord("its key or number is not what was voted for")
        keys = tuple(_member_key(seat_key(seat), lookup) for seat in body.seats)
        check_certificate(body, m.SignedRecord(record.body, record.signature), keys)
        return payload_of(body)

    def _proposal(self, key: RecordKey, record: m.GossipRecord, lookup: Lookup) -> Payload | None:
        signed = m.SignedRecord(record.body, record.signature)
        proposal = open_signed(m.ProposalBody, signed, _member_key(key, lookup), self._charter.federation_id)
        body = open_body(proposal.round, self._charter.manifest)
        terms = terms_of(body)
        said = (key_of(proposal), proposal.sequence, terms.aggregator, terms.generation, terms.issuer)
        if said != (key, record.sequence, proposal.owner, proposal.generation, proposal.issuer):
            raise BadRecord("its key or number is not what was signed")
        if not body.committed or terms.number != proposal.sequence:
            raise BadRecord("only a round's sum is proposed, under the round's number")
        return payload_of(body)


# Whether a kind belongs to a federation that masks, or to one that does not; the others belong to both.
_OF_MASKING = {
    RecordKind.CONTRIBUTION: False,
    RecordKind.PROPOSAL: True,
    RecordKind.VOTE: True,
    RecordKind.ROUND: True,
}


def _grant(charter: Charter, _: RecordKey, signed: m.SignedRecord, __: Lookup) -> Body:
    return open_signed(m.GrantBody, signed, charter.authority_public_key, charter.federation_id)


def _by_issuer(kind: type[m.MembershipBody] | type[m.VerdictBody]) -> "_Opener":
    def opened(charter: Charter, key: RecordKey, signed: m.SignedRecord, lookup: Lookup) -> Body:
        return open_signed(kind, signed, _issuer_key(charter, key.issuer, lookup), charter.federation_id)

    return opened


def _by_member(kind: type[m.DepartureBody] | type[m.ProfileBody] | type[m.VoteBody]) -> "_Opener":
    def opened(charter: Charter, key: RecordKey, signed: m.SignedRecord, lookup: Lookup) -> Body:
        return open_signed(kind, signed, _member_key(key, lookup), charter.federation_id)

    return opened


def _certificate(charter: Charter, _: RecordKey, signed: m.SignedRecord, lookup: Lookup) -> Body:
    certifier = peek(m.CertificateBody, signed).certifier
    return open_signed(m.CertificateBody, signed, _issuer_key(charter, certifier, lookup), charter.federation_id)


def _request(charter: Charter, key: RecordKey, signed: m.SignedRecord, lookup: Lookup) -> Body:
    """Of a member by its identity key; of a newcomer by the key that an administrator's invitation lets in."""
    invitation = peek(m.CertificateRequestBody, signed).invitation
    if invitation is None:
        return open_signed(m.CertificateRequestBody, signed, _member_key(key, lookup), charter.federation_id)
    invited = open_signed(m.InvitationBody, invitation, _issuer_key(charter, key.issuer, lookup), charter.federation_id)
    claimed = peek(m.CertificateRequestBody, signed).identity_public_key
    body = open_signed(m.CertificateRequestBody, signed, claimed, charter.federation_id)
    if (invited.owner, invited.generation, invited.issuer) != (body.owner, body.generation, body.issuer):
        raise BadRecord("the invitation is for somebody else")
    verify(invited.one_time_public_key, REDEMPTION_SIGNATURE, redemption_body(body), body.redemption)
    return body


def _issuer_key(charter: Charter, issuer: str, lookup: Lookup) -> bytes:
    """The key that an issuer signs with, also of one whose grant has ended: what it signs is still its own."""
    if not issuer:
        return charter.authority_public_key
    key = grant_key(issuer)
    entry = lookup(str(key))
    if entry is None:
        raise _Waits(key)
    return decode(m.GrantBody, entry.record.body).identity_public_key


def _member_key(key: RecordKey, lookup: Lookup) -> bytes:
    entry = lookup(str(key.membership))
    if entry is None:
        raise _Waits(key.membership)
    return decode(m.MembershipBody, entry.record.body).identity_public_key


_Opener = Callable[[Charter, RecordKey, m.SignedRecord, Lookup], Body]

_OPENERS: dict[RecordKind, _Opener] = {
    RecordKind.GRANT: _grant,
    RecordKind.MEMBERSHIP: _by_issuer(m.MembershipBody),
    RecordKind.VERDICT: _by_issuer(m.VerdictBody),
    RecordKind.DEPARTURE: _by_member(m.DepartureBody),
    RecordKind.PROFILE: _by_member(m.ProfileBody),
    RecordKind.VOTE: _by_member(m.VoteBody),
    RecordKind.REQUEST: _request,
    RecordKind.CERTIFICATE: _certificate,
}
