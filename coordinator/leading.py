"""Which database is a coordinator's ledger, and when it may write to it: at once, or as the leader of its replicas."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from ridgeway.coordinator.database import Database, SqliteDatabase
from ridgeway.coordinator.exclusive import Exclusive
from ridgeway.coordinator.ledger import Ledger
from ridgeway.coordinator.postgres import BadLedgerUrl, LedgerUnreachable, PostgresDatabase, check_url
from ridgeway.coordinator.schema import open_ledger
from ridgeway.errors import RidgewayError
from ridgeway.runtime.data_dir import DataDirectory

_log = logging.getLogger("ridgeway.coordinator")

LEDGER_FILE = "ledger.db"
# Names the database of a coordinator that has no ledger file of its own.
LOCATION_FILE = "ledger.url"
# A standby asks so often whether the leader has gone, and a leader whether it still leads.
LOOK_S = 0.5


class AnotherLeads(RidgewayError):
    """Something that only the leading replica can do."""


def has_ledger(directory: DataDirectory) -> bool:
    """Whether a coordinator has ever been started on the directory."""
    return (directory.path / LEDGER_FILE).exists() or directory.read(LOCATION_FILE) is not None


def located(directory: DataDirectory, wish: str | None) -> str | None:
    """The URL of the ledger's database, None for a file in the directory; a wish is written down.

    Raises:
        BadLedgerUrl: the wish is no address, or the directory's ledger lies somewhere else.
    """
    stored = directory.read(LOCATION_FILE)
    known = stored.decode() if stored else None
    if wish is None or wish == known:
        return known
    check_url(wish)
    if known is not None or (directory.path / LEDGER_FILE).exists():
        where = known or "a file of its own"
        raise BadLedgerUrl(f"this data directory's ledger is {where}; choose another --data-dir for another ledger")
    directory.write(LOCATION_FILE, wish.encode())
    return wish


def open_alone(directory: DataDirectory) -> Database:
    """The ledger of a coordinator that does not run, to be administered.

    Raises:
        AnotherLeads: a replica of it runs.
    """
    url = located(directory, None)
    if url is None:
        return SqliteDatabase(open_ledger(str(directory.path / LEDGER_FILE)))
    database = PostgresDatabase(url)
    if not database.try_to_lead():
        database.close()
        raise AnotherLeads("another replica of this coordinator runs; use its --data-dir, on its machine")
    return database


async def lead(
    directory: DataDirectory,
    wish: str | None,
    stop: asyncio.Event,
    check: Callable[[Ledger], object],
    on_standby: Callable[[], object] = lambda: None,
) -> Database | None:
    """The ledger's database, once nobody else writes to it; None if `stop` comes first.

    Args:
        directory: the coordinator's.
        wish: the URL that was asked for.
        stop: ends the wait.
        check: raises if this replica could not lead the federation that another one leads now.
        on_standby: told once that another one leads.

    Raises:
        BadLedgerUrl, LedgerUnreachable: it cannot be reached at all.
    """
    url = located(directory, wish)
    if url is None:
        return SqliteDatabase(open_ledger(str(directory.path / LEDGER_FILE)))
    database = await asyncio.to_thread(PostgresDatabase, url)
    standing_by = False
    while not stop.is_set():
        try:
            if await asyncio.to_thread(database.try_to_lead):
                _log.info("this replica leads")
                return database
            if not standing_by and await asyncio.to_thread(database.has_tables):
                check(Ledger(database))
                _log.info("another replica leads; standing by")
                standing_by = True
                on_standby()
        except LedgerUnreachable as error:
            _log.warning("%s; trying again", error)
            with suppress(LedgerUnreachable):
                database = await asyncio.to_thread(PostgresDatabase, url)
        except BaseException:
            database.close()
            raise
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_S)
    database.close()
    return None


async def keep_leading(ledger: Ledger, exclusive: Exclusive) -> None:
    """Return never, as long as the ledger answers: with its session the lead is lost.

    Raises:
        LedgerUnreachable: it does not answer any more.
    """
    while True:
        await asyncio.sleep(LOOK_S)
        await exclusive(ledger.check)
