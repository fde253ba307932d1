"""What a node remembers of rounds, durably: what of it is in the masked sum, what will be, and whom it believes.

A round's secrets are never written. What is written before a masked vector leaves is what our part of the sum becomes
if the round is committed, so that after a crash both sides agree once the coordinator has said how it ended.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from ridgeway.errors import RidgewayError
from ridgeway.node.state import NodeState, Prepared, write_setting
from ridgeway.proto.messages import RoundKind, SignedRecord
from ridgeway.secagg.cohort import fingerprint

_NOTHING = SignedRecord()
BOUND = (
    "a round that may have been opened can never be run again as it was: this node or the ledger is an older copy;"
    " until enough others take part this node takes part in none; ask the federation's operator to revoke this owner"
    " and to send a new invitation, and join with it"
)


class RoundReplayed(RidgewayError):
    """A round whose number was used before."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Our part of the sum, by domain.

    Attributes:
        committed: what is in the sum.
        wanted: what should be.
    """

    committed: Mapping[str, Prepared]
    wanted: Mapping[str, Prepared]

    @property
    def touched(self) -> tuple[str, ...]:
        """Domains whose part differs, sorted."""
        return tuple(sorted(d for d in self.committed.keys() | self.wanted.keys() if self._differs(d)))

    def _differs(self, domain: str) -> bool:
        before, after = self.committed.get(domain), self.wanted.get(domain)
        return before is None or after is None or (before.payload, before.rows) != (after.payload, after.rows)


class RoundState:
    """The tables and settings of one node's rounds."""

    def __init__(self, state: NodeState) -> None:
        self._state = state

    def parts(self) -> Parts:
        """What is in the sum, and what should be."""
        sources = self._state.sources()
        wanted = {domain: held for domain, held in self._state.contributions().items() if domain in sources}
        return Parts(self._state.last_committed(), wanted)

    def next_parts(self) -> Parts:
        """What the next round should make of our part: what we want, or what a round that was opened had of us."""
        if not self.exposed:
            return self.parts()
        committed = self._state.last_committed()
        kept = {domain: held for domain, held in committed.items() if domain not in self._targets()}
        return Parts(committed, kept | {domain: held for domain, held in self._targets().items() if held is not None})

    def _targets(self) -> dict[str, Prepared | None]:
        rows = self._state.reads("SELECT * FROM round_targets")
        return {
            domain: Prepared(domain, sequence, SignedRecord(body, signature), count, payload, source, committed=False)
            if payload
            else None
            for domain, sequence, body, signature, count, payload, source in rows
        }

    @property
    def exposed(self) -> frozenset[str]:
        """Who brought something to a round that came to nothing after we had revealed our shares; empty without one."""
        return frozenset((self._state.setting("exposed") or {}).get("owners", ()))

    @property
    def exposed_kind(self) -> RoundKind:
        """The kind of that round."""
        return RoundKind((self._state.setting("exposed") or {}).get("kind", 0))

    @property
    def rebased(self) -> bool:
        """Whether we cannot bring that round's change again: what it was a change of is not in the sum any more."""
        return bool((self._state.setting("exposed") or {}).get("rebased"))

    @property
    def bound(self) -> str:
        """What to do if that round can never be run again as it was; empty if it can, or if there is none.

        Only a person may decide to forget it. Whoever adds up could say so to learn of one owner by the difference.
        """
        lost = self.out_of_step and self.exposed_kind is RoundKind.INCREMENTAL
        return BOUND if self.exposed and (self.rebased or lost) else ""

    @property
    def excused(self) -> frozenset[str]:
        """Of those owners the one that alone can have learnt the sum: the aggregator, if it is one of them."""
        return frozenset((self._state.setting("exposed") or {}).get("known_to", ()))

    def reveals(self, exposes: Set[str], kind: RoundKind, aggregator: str = "") -> None:
        """We are about to reveal our shares: from now on the sum of these owners may be known."""
        exposed = {"owners": sorted(exposes), "kind": kind, "known_to": sorted(exposes & {aggregator})}
        with self._state.transaction() as connection:
            write_setting(connection, "exposed", exposed)

    def told_of_sum(self) -> None:
        """Others than the aggregator have learnt the sum of the round that may have been opened."""
        exposed = self._state.setting("exposed")
        if exposed and exposed.get("known_to"):
            with self._state.transaction() as connection:
                write_setting(connection, "exposed", exposed | {"known_to": []})

    def lose_track(self) -> None:
        """Nobody will ever say how the open round ended: only a full round can go on with us."""
        self.aborted()
        with self._state.transaction() as connection:
            write_setting(connection, "out_of_step", True)

    def forget_exposed(self) -> None:
        """The owner joins anew and so says that a round which can never be run again binds us no more."""
        with self._state.transaction() as connection:
            write_setting(connection, "exposed", {})
            if not self.open:
                connection.execute("DELETE FROM round_targets")

    @property
    def settled(self) -> bytes:
        """Nonce of the last round that is committed with us; empty without one."""
        return bytes.fromhex(self._state.setting("settled_round") or "")

    @property
    def open(self) -> bytes:
        """Nonce of the round whose end we do not know; empty without one."""
        return bytes.fromhex(self._state.setting("open_round") or "")

    @property
    def out_of_step(self) -> bool:
        """Whether the sum holds something of us that we do not know: this state, or the ledger, is an older copy."""
        return bool(self._state.setting("out_of_step"))

    @property
    def tried(self) -> int:
        """The newest router version whose trial is committed with us."""
        return int(self._state.setting("tried_version") or 0)

    def has_tried(self, version: int) -> None:
        """A trial of a router version is committed with us; we take part in no other of it."""
        with self._state.transaction() as connection:
            write_setting(connection, "tried_version", version)

    @property
    def last_number(self) -> int:
        """The highest round number that is used up."""
        return int(self._state.setting("last_round") or 0)

    def called(self, number: int) -> None:
        """Use a round's number up.

        Raises:
            RoundReplayed: it, or a later one, was used before.
        """
        if number <= self.last_number:
            raise RoundReplayed(f"round {number} was called before; a repeated round could show our part, so we refuse")
        with self._state.transaction() as connection:
            write_setting(connection, "last_round", number)

    def enter(self, nonce: bytes, targets: Mapping[str, Prepared | None]) -> None:
        """Our masked vector is about to leave; with None a domain goes out of the sum."""
        with self._state.transaction() as connection:
            connection.execute("DELETE FROM round_targets")
            for domain, held in targets.items():
                record = held.record if held else _NOTHING
                connection.execute(
                    "INSERT INTO round_targets VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        domain,
                        held.sequence if held else 0,
                        record.body,
                        record.signature,
                        held.rows if held else 0,
                        held.payload if held else "",
                        held.source_fingerprint if held else "",
                    ),
                )
            write_setting(connection, "open_round", nonce.hex())

    def committed(self) -> None:
        """The open round is committed with us: our part of the sum is now what we entered it with."""
        with self._state.transaction() as connection:
            connection.execute(
                "DELETE FROM contributions WHERE committed = 1 AND domain IN (SELECT domain FROM round_targets)"
            )
            connection.execute("INSERT INTO contributions SELECT *, 1 FROM round_targets WHERE payload <> ''")
            connection.execute(
                "DELETE FROM contributions WHERE committed = 0 AND (domain, sequence) IN"
                " (SELECT domain, sequence FROM round_targets)"
            )
            write_setting(connection, "settled_round", self.open.hex())
            write_setting(connection, "open_round", "")
            write_setting(connection, "out_of_step", False)
            write_setting(connection, "exposed", {})
            connection.execute("DELETE FROM round_targets")

    def aborted(self) -> None:
        """The open round came to nothing for us; if it may have been opened, the next one must have the same of us."""
        with self._state.transaction() as connection:
            if not self.exposed:
                connection.execute("DELETE FROM round_targets")
            write_setting(connection, "open_round", "")

    def compare(self, ledger: bytes) -> bool:
        """Compare with the last round that the ledger has us in; whether our intention changes.

        If the sum holds nothing of us, what we had committed must go in again. If it holds something else than we
        know, nothing but a full round helps.
        """
        if self.open:
            if ledger == self.open:
                self.committed()
            else:
                self.aborted()
            return True
        unchanged = ledger == self.settled and not self.out_of_step
        if unchanged or (ledger and self.out_of_step):
            return False
        with self._state.transaction() as connection:
            if not ledger:
                if self.exposed_kind is RoundKind.INCREMENTAL and self._state.last_committed():
                    write_setting(connection, "exposed", self._state.setting("exposed") | {"rebased": True})
                connection.execute(
                    "DELETE FROM contributions WHERE committed = 1 AND domain IN"
                    " (SELECT domain FROM contributions WHERE committed = 0)"
                )
                connection.execute("DELETE FROM contributions WHERE domain NOT IN (SELECT domain FROM sources)")
                connection.execute("UPDATE contributions SET committed = 0")
                write_setting(connection, "settled_round", "")
            write_setting(connection, "out_of_step", bool(ledger))
        return True

    # Whom we believe

    def roster(self) -> dict[str, bytes]:
        """The fingerprints of the identity keys that we have seen, by owner."""
        return {owner: fingerprint(key) for owner, key in self._state.reads("SELECT * FROM roster")}

    def pin(self, keys: Mapping[str, bytes]) -> None:
        """Remember the keys of owners that we see for the first time."""
        with self._state.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO roster VALUES (?, ?)", keys.items())
