"""What a coordinator serves around one federation, and what it does for ever; where it listens, its daemon decides."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import grpc

from ridgeway.coordinator.administration import Administration
from ridgeway.coordinator.enrolment_service import EnrolmentService
from ridgeway.coordinator.exclusive import Exclusive
from ridgeway.coordinator.federation_service import FederationService
from ridgeway.coordinator.founding import Founded
from ridgeway.coordinator.invitations import Door
from ridgeway.coordinator.observer import Observer
from ridgeway.coordinator.publication import Publisher
from ridgeway.coordinator.refusals import REFUSALS
from ridgeway.coordinator.rounds import Rounds
from ridgeway.runtime.call_interceptor import CallInterceptor
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.remote_errors import RefusalInterceptor


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where members and newcomers are to dial, HOST:PORT; asked when somebody is told."""

    members: Callable[[], str]
    enrolment: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one coordinator, wired together.

    Attributes:
        exclusive: the thread that owns the federation.
        publisher: makes routers.
        rounds: of secure aggregation.
        federation: for members.
        enrolment: for newcomers.
        administration: for the operator.
        interceptors: around every call.
    """

    exclusive: Exclusive
    publisher: Publisher
    rounds: Rounds
    federation: FederationService
    enrolment: EnrolmentService
    administration: Administration
    interceptors: tuple[grpc.aio.ServerInterceptor, ...]

    def endless(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs as long as the coordinator does."""
        return self.publisher.run(), self.rounds.run()

    def close(self) -> None:
        """End every feed and every member's stream of rounds."""
        self.publisher.close()
        self.rounds.close()


def services_of(
    founded: Founded, directory: DataDirectory, addresses: Addresses, now: Callable[[], datetime], observer: Observer
) -> Services:
    """Wire a coordinator's parts together."""
    exclusive = founded.exclusive
    publisher = Publisher(founded.federation, exclusive, observer)
    rounds = Rounds(founded.federation, exclusive, publisher, observer)
    publisher.listeners.append(rounds.stir)
    federation = FederationService(founded.federation, exclusive, publisher, founded, rounds, now, observer)
    door = Door(founded.federation, founded.authority, founded.certificate_lifetime)
    return Services(
        exclusive,
        publisher,
        rounds,
        federation,
        EnrolmentService(door, exclusive, publisher, addresses.members, now),
        Administration(door, exclusive, publisher, addresses.enrolment, federation.status, now, directory),
        (CallInterceptor(observer), RefusalInterceptor(REFUSALS, observer.refused)),
    )
