"""The Administration service without a coordinator process: the same methods on a locked data directory."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ridgeway.coordinator.administration import Administration
from ridgeway.coordinator.federation_service import FederationService
from ridgeway.coordinator.founding import NotFounded, Wishes, is_founded, open_federation
from ridgeway.coordinator.invitations import Door
from ridgeway.coordinator.leading import open_alone
from ridgeway.coordinator.publication import Publisher
from ridgeway.coordinator.rounds import Rounds
from ridgeway.coordinator.snapshot import ENDPOINTS_FILE
from ridgeway.embedder import EmbedderFingerprint
from ridgeway.runtime.data_dir import DataDirectory


@contextmanager
def open_administration(data_dir: Path) -> Iterator[Administration]:
    """Administer a federation whose coordinator does not run; routers are published when it starts again.

    Raises:
        DataDirectoryInUse: it runs.
        NotFounded: there is no federation in the directory.
        AnotherLeads: another replica runs.
    """
    directory = DataDirectory(data_dir, "coordinator")
    with directory.locked():
        if not is_founded(directory):
            raise NotFounded(f"{data_dir} holds no federation yet; start `ridgeway coordinator` on it once")
        founded = open_federation(directory, open_alone(directory), Wishes(), _no_embedder, _now())
        exclusive = founded.exclusive
        publisher = Publisher(founded.federation, exclusive)
        rounds = Rounds(founded.federation, exclusive, publisher)
        service = FederationService(founded.federation, exclusive, publisher, founded, rounds, _now)
        door = Door(founded.federation, founded.authority, founded.certificate_lifetime)
        try:
            address = partial(_address, directory)
            yield Administration(door, exclusive, publisher, address, service.status, _now, directory)
        finally:
            exclusive.close()
            founded.federation.close()


def _address(directory: DataDirectory) -> str:
    stored = directory.read(ENDPOINTS_FILE)
    if stored is None:
        raise NotFounded("nobody knows yet where the coordinator listens; start `ridgeway coordinator` once")
    return str(json.loads(stored)["enrolment"])


def _no_embedder() -> EmbedderFingerprint:
    raise NotFounded("there is no federation in this data directory; start `ridgeway coordinator` on it once")


def _now() -> datetime:
    return datetime.now(UTC)
