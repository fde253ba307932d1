"""gRPC once crashed when it was handed a new TLS configuration at every handshake; it gets one only for a renewal."""

import asyncio
from pathlib import Path

import grpc
import pytest
from running import running

from ridgeway.proto import messages as m
from ridgeway.proto import rpc


async def test_one_tls_configuration_serves_every_handshake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    original = grpc.ssl_server_certificate_configuration

    def counted(*arguments: object) -> grpc.ServerCertificateConfiguration:
        made.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(grpc, "ssl_server_certificate_configuration", counted)
    async with running(tmp_path / "coordinator") as coordinator:
        owner = await coordinator.owner("alice")
        await asyncio.gather(*(owner.call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest()) for _ in range(20)))
    assert len(made) == 2, "one for each listener"
