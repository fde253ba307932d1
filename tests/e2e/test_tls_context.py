"""gRPC once crashed when it was handed a new TLS configuration at every handshake; it gets one only for a renewal."""

import asyncio
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from running import running

from ridgeway.proto import messages as m
from ridgeway.proto import rpc


async def test_a_new_tls_configuration_is_made_only_for_a_renewed_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    original = grpc.ssl_server_certificate_configuration
    monkeypatch.setattr(
        grpc, "ssl_server_certificate_configuration", lambda *a, **k: made.append(1) or original(*a, **k)
    )
    async with running(tmp_path / "coordinator") as coordinator:
        owner = await coordinator.owner("alice")
        await asyncio.gather(*(owner.call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest()) for _ in range(20)))
        assert len(made) == 2, "one for each listener"
        coordinator.clock.ahead = timedelta(days=6)
        async with owner.channel() as channel:
            with pytest.raises(grpc.aio.AioRpcError, match="expired"):
                await rpc.call(channel, rpc.GET_MEMBERSHIP, m.GetMembershipRequest(), timeout_s=5)
        assert len(made) == 3, "the members' listener has the renewed one"
