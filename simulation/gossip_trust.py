"""A trust layer for simulated gossip: records that only their author can sign, membership that comes as a record too.

Signatures are keyed hashes, whose keys only the simulation knows; the machine sees bytes either way.
"""

import hashlib
from dataclasses import dataclass, field

import orjson

from ridgeway.crypto.payload_digest import chunk_digests
from ridgeway.gossip.judging import Accept, InvalidRecord, Lookup, NotYet
from ridgeway.gossip.record import Payload
from ridgeway.proto.messages import GossipRecord

AUTHORITY = "authority"


def membership_key(name: str) -> str:
    """Where a member's certificate lies."""
    return f"member/{name}"


def sign(author: str, key: str, sequence: int, value: int, payload: bytes | None = None) -> GossipRecord:
    """A record of a value, or of a payload beside it."""
    statement = {"author": author, "key": key, "sequence": sequence, "value": value}
    if payload is not None:
        digests = [digest.hex() for digest in chunk_digests(payload)]
        statement |= {"length": len(payload), "chunks": digests}
    body = orjson.dumps(statement, option=orjson.OPT_SORT_KEYS)
    return GossipRecord(key, sequence, body, _signature(author, body))


def value_of(record: GossipRecord) -> int:
    """What a record adds to the sum; 0 if it is a withdrawal."""
    value: int = orjson.loads(record.body)["value"]
    return value


def judge(record: GossipRecord, lookup: Lookup) -> Accept | NotYet:
    """The verdict on one record.

    Raises:
        InvalidRecord: it was not signed by the author that it names, or says something else than its envelope.
    """
    try:
        statement = orjson.loads(record.body)
        author, key, sequence = statement["author"], statement["key"], statement["sequence"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise InvalidRecord("it sent a record whose body is no statement") from error
    if (key, sequence) != (record.key, record.sequence) or record.signature != _signature(author, record.body):
        raise InvalidRecord(f"it sent a record of {record.key} that its owner did not sign")
    if author != AUTHORITY and lookup(membership_key(author)) is None:
        return NotYet(membership_key(author))
    if "length" not in statement:
        return Accept(author)
    return Accept(author, Payload.of(statement["length"], [bytes.fromhex(each) for each in statement["chunks"]]))


def _signature(author: str, body: bytes) -> bytes:
    # As long as an Ed25519 signature.
    return hashlib.sha512(b"simulated key of " + author.encode() + body).digest()


@dataclass(slots=True)
class Owner:
    """What an owner wants to be true of its own record.

    Attributes:
        name: its name.
        sequence: the greatest number that it knows to be used.
        value: its wish.
        payload: the payload with it.
    """

    name: str
    sequence: int = 0
    value: int = 0
    payload: bytes | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """Where its record lies."""
        return f"contribution/{self.name}"

    def next_record(self) -> GossipRecord:
        """Its wish, signed with the next number."""
        self.sequence += 1
        return sign(self.name, self.key, self.sequence, self.value, self.payload)
