"""The coordinator's durable record: members, invitations, certificates, standings, experts.

One connection, used by one thread at a time. Every method that writes is one transaction, and has returned only when it
is on disk.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ridgeway.coordinator.database import Database
from ridgeway.coordinator.payload_store import PayloadKey
from ridgeway.narrow_integers import WIDTH_MAX
from ridgeway.proto.messages import Expert, MemberState, RoundKind, SignedRecord
from ridgeway.protocol.admission import Standing


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the ledger has it."""

    owner: str
    state: MemberState
    identity_public_key: bytes
    since_unix_ms: int
    leave_record: bytes | None


@dataclass(frozen=True, slots=True)
class InvitationEntry:
    """An invitation as the ledger has it; of the secret only the hash."""

    owner: str
    secret_hash: bytes
    expires_unix_ms: int
    used_by: bytes | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One owner's contribution for one domain, or the tombstone of one, whose payload and width say nothing."""

    owner: str
    domain: str
    sequence: int
    record_digest: bytes
    rows: int
    payload_digest: bytes | None
    committed_unix_ms: int
    bytes_per_number: int = WIDTH_MAX

    @property
    def payload_key(self) -> PayloadKey:
        """Where its payload lies, if it has one."""
        return PayloadKey(self.owner, self.domain, self.record_digest)

    @property
    def standing(self) -> Standing:
        """What a further record is measured against."""
        return Standing(self.sequence, self.record_digest)


@dataclass(frozen=True, slots=True)
class Place:
    """What the masked sum holds of one owner: since which round, and for which domains."""

    number: int
    nonce: bytes
    domains: tuple[str, ...]
    committed_unix_ms: int


@dataclass(frozen=True, slots=True)
class CommittedRound:
    """A round whose sum is in the federation's."""

    number: int
    nonce: bytes
    kind: RoundKind
    committed_unix_ms: int


_ENTRY = (
    "SELECT owner, domain, sequence, record_digest, rows, payload_digest, committed_unix_ms, bytes_per_number"
    " FROM standings"
)


@dataclass(frozen=True, slots=True)
class Totals:
    """The file of a masked federation's sum that a round makes: name and content; the name of the one before."""

    name: str
    pieces: Iterable[memoryview]
    before: str | None


_SET = "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


class Ledger:
    """The tables behind one coordinator."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._execute = database.execute

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def check(self) -> None:
        """Nothing, if the database answers.

        Raises:
            LedgerUnreachable: it does not.
        """
        self._execute("SELECT 1")

    def kept_file(self, name: str) -> Iterator[bytes]:
        """The content of a file that replicas share, in pieces; none if the ledger does not keep it."""
        return self._database.kept_file(name)

    def copy_to(self, path: Path) -> bool:
        """Write a copy to a file, as of this moment; False if replicas share the ledger in a database of its own."""
        return self._database.copy_to(path)

    # Settings

    def setting(self, name: str) -> bytes | None:
        """A named value."""
        rows = self._execute("SELECT value FROM settings WHERE name = ?", (name,))
        return bytes(rows[0][0]) if rows else None

    def found(self, settings: dict[str, bytes]) -> None:
        """Write what a new federation starts with."""
        with self._database.transaction():
            self._database.execute_many("INSERT INTO settings VALUES (?, ?)", settings.items())

    def leap(self, numbers: int, settings: dict[str, bytes]) -> None:
        """Skip so many revisions, editions and rounds, and write settings."""
        with self._database.transaction():
            for counter in ("revision", "edition", "round_number"):
                self._raise(counter, numbers)
            for setting in settings.items():
                self._execute(_SET, setting)

    @property
    def revision(self) -> int:
        """Grows with every change of the sum or of the experts: the version of the router made from it."""
        return int(self.setting("revision") or b"0")

    @property
    def edition(self) -> int:
        """Grows with every trial that says something new."""
        return int(self.setting("edition") or b"0")

    # Members

    def members(self) -> list[Member]:
        """All members that ever enrolled."""
        rows = self._execute(
            "SELECT owner, state, identity_public_key, since_unix_ms, leave_record FROM members ORDER BY owner"
        )
        return [Member(owner, MemberState(state), key, since, leave) for owner, state, key, since, leave in rows]

    def certificates(self) -> list[tuple[int, str, int]]:
        """Serial, owner and end of every certificate that is not revoked."""
        rows = self._execute("SELECT serial, owner, not_after_unix_ms FROM certificates")
        return [(int(serial, 16), owner, not_after) for serial, owner, not_after in rows]

    def invite(self, owner: str, secret_hash: bytes, expires_unix_ms: int) -> None:
        """Write an invitation; one that the owner has not used is replaced."""
        with self._database.transaction():
            self._execute(
                "INSERT INTO invitations VALUES (?, ?, ?, NULL) ON CONFLICT (owner) DO UPDATE SET"
                " secret_hash = excluded.secret_hash, expires_unix_ms = excluded.expires_unix_ms, used_by = NULL",
                (owner, secret_hash, expires_unix_ms),
            )

    def invitations(self) -> list[InvitationEntry]:
        """All invitations."""
        return [InvitationEntry(*row) for row in self._execute("SELECT * FROM invitations ORDER BY owner")]

    def enrol(self, owner: str, identity_public_key: bytes, serial: int, not_after_unix_ms: int, now_ms: int) -> None:
        """Use the owner's invitation up and make it a member with its first certificate; older ones are forgotten."""
        with self._database.transaction():
            self._execute("UPDATE invitations SET used_by = ? WHERE owner = ?", (identity_public_key, owner))
            self._execute(
                "INSERT INTO members VALUES (?, ?, ?, ?, NULL)"
                " ON CONFLICT (owner) DO UPDATE SET state = excluded.state,"
                " identity_public_key = excluded.identity_public_key,"
                " since_unix_ms = excluded.since_unix_ms, leave_record = NULL",
                (owner, int(MemberState.ACTIVE), identity_public_key, now_ms),
            )
            self._execute("DELETE FROM certificates WHERE owner = ?", (owner,))
            self._execute("INSERT INTO certificates VALUES (?, ?, ?)", (f"{serial:x}", owner, not_after_unix_ms))

    def add_certificate(self, owner: str, serial: int, not_after_unix_ms: int, now_ms: int) -> None:
        """Write a renewed certificate; expired ones are forgotten."""
        with self._database.transaction():
            self._execute("INSERT INTO certificates VALUES (?, ?, ?)", (f"{serial:x}", owner, not_after_unix_ms))
            self._execute("DELETE FROM certificates WHERE not_after_unix_ms < ?", (now_ms,))

    def revoke(self, owner: str) -> None:
        """Refuse the owner's certificates; its contributions stay."""
        with self._database.transaction():
            self._cut_off(owner, MemberState.REVOKED)

    # Contributions

    def entry(self, owner: str, domain: str) -> Entry | None:
        """What stands for one owner and domain, a tombstone too."""
        rows = self._execute(f"{_ENTRY} WHERE owner = ? AND domain = ?", (owner, domain))
        return Entry(*rows[0]) if rows else None

    def entries(self, owner: str | None = None) -> list[Entry]:
        """Everything that stands, or all of one owner, tombstones too, by owner and domain."""
        only, values = ("", ()) if owner is None else (" WHERE owner = ?", (owner,))
        rows = self._execute(f"{_ENTRY}{only} ORDER BY owner, domain", values)
        return [Entry(*row) for row in rows]

    def entry_count(self) -> int:
        """How many stand, tombstones too."""
        return int(self._execute("SELECT count(*) FROM standings")[0][0])

    def put(
        self, entry: Entry, record: SignedRecord, payload: memoryview | None = None, replaced: PayloadKey | None = None
    ) -> None:
        """Write a contribution with its payload, or a tombstone, in the place of what stood there."""
        with self._database.transaction():
            if replaced is not None:
                self._database.forget_file(replaced.file_name)
            if payload is not None:
                self._database.keep_file(entry.payload_key.file_name, [payload])
            self._put(entry, record)
            self._raise("revision")

    def remove_member(self, owner: str, state: MemberState, leave_record: bytes | None, now_ms: int) -> None:
        """Turn all its contributions into tombstones, forget its experts and certificates."""
        with self._database.transaction():
            for entry in self.entries(owner):
                self._database.forget_file(entry.payload_key.file_name)
            self._cut_off(owner, state)
            self._execute("UPDATE members SET leave_record = ? WHERE owner = ?", (leave_record, owner))
            self._execute(
                "UPDATE standings SET payload_digest = NULL, rows = 0, committed_unix_ms = ? WHERE owner = ?",
                (now_ms, owner),
            )
            self._execute("DELETE FROM experts WHERE owner = ?", (owner,))
            self._raise("revision")

    # Experts

    def experts(self) -> tuple[Expert, ...]:
        """All experts, by owner, domain, URL and model."""
        rows = self._execute("SELECT * FROM experts ORDER BY owner, domain, url, model")
        return tuple(Expert(*row) for row in rows)

    def set_experts(self, owner: str, experts: tuple[Expert, ...]) -> None:
        """Replace an owner's experts."""
        with self._database.transaction():
            self._execute("DELETE FROM experts WHERE owner = ?", (owner,))
            self._database.execute_many(
                "INSERT INTO experts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(owner, e.domain, e.url, e.model, e.price, e.latency_ms) for e in experts],
            )
            self._raise("revision")

    # Trials

    def trials(self) -> list[tuple[int, str, bytes]]:
        """Router version, owner and report of every trial, by version and owner."""
        return self._execute("SELECT * FROM trials ORDER BY router_version, owner")

    def put_trial(self, version: int, owner: str, report: bytes, versions_kept: int) -> None:
        """Write an owner's trial of one router version in the place of its earlier one; old versions are forgotten."""
        with self._database.transaction():
            self._execute(
                "INSERT INTO trials VALUES (?, ?, ?)"
                " ON CONFLICT (router_version, owner) DO UPDATE SET report = excluded.report",
                (version, owner, report),
            )
            self._execute(
                "DELETE FROM trials WHERE router_version NOT IN"
                " (SELECT DISTINCT router_version FROM trials ORDER BY router_version DESC LIMIT ?)",
                (versions_kept,),
            )
            self._raise("edition")

    # Rounds

    def call_round(self) -> int:
        """The next round's number, used up at once, so that none is ever used twice."""
        with self._database.transaction():
            self._raise("round_number")
        return int(self.setting("round_number") or b"0")

    def places(self) -> dict[str, Place]:
        """What the masked sum holds, by owner."""
        rows = self._execute(
            "SELECT owner, round, nonce, domains, committed_unix_ms FROM places JOIN rounds ON round = number"
            " ORDER BY owner"
        )
        return {
            owner: Place(number, nonce, tuple(json.loads(domains)), committed)
            for owner, number, nonce, domains, committed in rows
        }

    def commit_round(
        self, done: CommittedRound, places: dict[str, tuple[str, ...]], total: bytes, files: "Totals"
    ) -> None:
        """Write a committed round, where its survivors' domains stand now, and which file holds the sum.

        Args:
            done: the round.
            places: the survivors' domains in the sum; one with none has gone from it. A full round leaves no others.
            total: names the file.
            files: the file, and the one before.
        """
        with self._database.transaction():
            self._execute(
                "INSERT INTO rounds VALUES (?, ?, ?, ?, ?)",
                (done.number, done.nonce, int(done.kind), json.dumps(sorted(places)), done.committed_unix_ms),
            )
            if done.kind is RoundKind.FULL:
                self._execute("DELETE FROM places")
            for owner, domains in places.items():
                self._execute("DELETE FROM places WHERE owner = ?", (owner,))
                if domains:
                    self._execute("INSERT INTO places VALUES (?, ?, ?)", (owner, done.number, json.dumps(domains)))
            if files.before is not None:
                self._database.forget_file(files.before)
            self._database.keep_file(files.name, files.pieces)
            self._execute(_SET, ("masked_total", total))
            self._raise("revision")

    # Masked trials

    def masked_trials(self) -> list[tuple[int, tuple[str, ...], bytes]]:
        """Router version, its domains and the summed counts of every masked trial, by version."""
        rows = self._execute("SELECT * FROM masked_trials ORDER BY router_version")
        return [(version, tuple(json.loads(domains)), counts) for version, domains, counts in rows]

    def put_masked_trial(self, version: int, domains: tuple[str, ...], counts: bytes, versions_kept: int) -> None:
        """Write the summed counts of one router version's trial; old versions are forgotten."""
        with self._database.transaction():
            self._execute("INSERT INTO masked_trials VALUES (?, ?, ?)", (version, json.dumps(domains), counts))
            self._execute(
                "DELETE FROM masked_trials WHERE router_version NOT IN"
                " (SELECT router_version FROM masked_trials ORDER BY router_version DESC LIMIT ?)",
                (versions_kept,),
            )
            self._raise("edition")

    def _cut_off(self, owner: str, state: MemberState) -> None:
        self._execute("UPDATE members SET state = ? WHERE owner = ?", (int(state), owner))
        self._execute("DELETE FROM certificates WHERE owner = ?", (owner,))
        self._execute("DELETE FROM invitations WHERE owner = ?", (owner,))

    def _put(self, entry: Entry, record: SignedRecord) -> None:
        self._execute("DELETE FROM standings WHERE owner = ? AND domain = ?", (entry.owner, entry.domain))
        self._execute(
            "INSERT INTO standings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.owner,
                entry.domain,
                entry.sequence,
                entry.record_digest,
                record.body,
                record.signature,
                entry.rows,
                entry.payload_digest,
                entry.committed_unix_ms,
                entry.bytes_per_number,
            ),
        )

    def _raise(self, counter: str, by: int = 1) -> None:
        value = int(self.setting(counter) or b"0") + by
        self._execute(_SET, (counter, str(value).encode()))
