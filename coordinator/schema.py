"""The ledger's tables, and how a ledger of an older release becomes one of this."""

import sqlite3
from pathlib import Path

from ridgeway.errors import RidgewayError

LEDGER_VERSION = 5

# A standing with a record and no payload is a tombstone: the domain was withdrawn, its sequence number stays taken.
# Under masking there are no standings: `rounds` has the committed rounds, `places` whom the sum holds since which one.
_TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE members (
    owner TEXT PRIMARY KEY,
    state INTEGER NOT NULL,
    identity_public_key BLOB NOT NULL,
    since_unix_ms INTEGER NOT NULL,
    leave_record BLOB
) STRICT;
CREATE TABLE certificates (
    serial TEXT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES members (owner),
    not_after_unix_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE invitations (
    owner TEXT PRIMARY KEY,
    secret_hash BLOB NOT NULL,
    expires_unix_ms INTEGER NOT NULL,
    used_by BLOB
) STRICT;
CREATE TABLE standings (
    owner TEXT NOT NULL REFERENCES members (owner),
    domain TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    record_digest BLOB NOT NULL,
    body BLOB NOT NULL,
    signature BLOB NOT NULL,
    rows INTEGER NOT NULL,
    payload_digest BLOB,
    committed_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (owner, domain)
) STRICT;
CREATE TABLE experts (
    owner TEXT NOT NULL REFERENCES members (owner),
    domain TEXT NOT NULL,
    url TEXT NOT NULL,
    model TEXT NOT NULL,
    PRIMARY KEY (owner, domain, url, model)
) STRICT;
"""

_TRIALS = """
CREATE TABLE trials (
    router_version INTEGER NOT NULL,
    owner TEXT NOT NULL REFERENCES members (owner),
    report BLOB NOT NULL,
    PRIMARY KEY (router_version, owner)
) STRICT;
"""

_EXPERT_COSTS = """
ALTER TABLE experts ADD COLUMN price REAL;
ALTER TABLE experts ADD COLUMN latency_ms REAL;
"""

_WIDTHS = """
ALTER TABLE standings ADD COLUMN bytes_per_number INTEGER NOT NULL DEFAULT 8;
"""

_ROUNDS = """
CREATE TABLE rounds (
    number INTEGER PRIMARY KEY,
    nonce BLOB NOT NULL,
    kind INTEGER NOT NULL,
    survivors TEXT NOT NULL,
    committed_unix_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE places (
    owner TEXT PRIMARY KEY REFERENCES members (owner),
    round INTEGER NOT NULL REFERENCES rounds (number),
    domains TEXT NOT NULL
) STRICT;
CREATE TABLE masked_trials (
    router_version INTEGER PRIMARY KEY,
    domains TEXT NOT NULL,
    counts BLOB NOT NULL
) STRICT;
"""

# What makes a ledger of each version from one of the version before.
_STEPS = {1: _TABLES, 2: _TRIALS, 3: _EXPERT_COSTS, 4: _WIDTHS, 5: _ROUNDS}


class LedgerError(RidgewayError):
    """A ledger that cannot be used as it is."""


def steps_from(version: int) -> list[str]:
    """The statements that make a ledger of this release from one of an earlier version; 0 is an empty one."""
    return [_STEPS[step] for step in range(version + 1, LEDGER_VERSION + 1)]


def open_ledger(path: str) -> sqlite3.Connection:
    """The ledger's only connection, in WAL mode and synced at every commit; made if it does not exist.

    Raises:
        LedgerError: it was written by a newer release, cannot be opened, or is damaged.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # Files that SQLite makes beside it get its mode.
        Path(path).chmod(0o600)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for step in range(version + 1, LEDGER_VERSION + 1):
            connection.executescript(f"BEGIN IMMEDIATE; {_STEPS[step]} PRAGMA user_version = {step}; COMMIT;")
    except sqlite3.OperationalError as error:
        raise LedgerError(
            f"the ledger {path} cannot be opened ({error}); see that its disk has room and that it may be written"
        ) from error
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"the ledger {path} is damaged ({error}); restore it from a backup") from error
    if version > LEDGER_VERSION:
        raise LedgerError(f"the ledger {path} was written by a newer release (version {version}); upgrade ridgeway")
    return connection
