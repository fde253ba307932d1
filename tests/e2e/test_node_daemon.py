"""A node's daemon through outages, renewals and revocation, and who may ask it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
import toy
from node_running import News, NodeHome, daemon, expect_sum, words, write_prompts
from running import Running, refused, running

from ridgeway.crypto.authority import CertificateAuthority
from ridgeway.crypto.certificates import new_tls_key, owner_dns_name, signing_request
from ridgeway.node.handover import node_status
from ridgeway.node.link import read_tls
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.remote_errors import Refused
from ridgeway.runtime.tls import MemberTls, enrolment_channel, member_channel


@asynccontextmanager
async def coordinator_at(
    directory: Path, port: int = 0, lifetime: timedelta = timedelta(hours=24)
) -> AsyncIterator[Running]:
    fingerprint = toy.toy_embedder().fingerprint
    async with running(directory, embedder=fingerprint, port=port, certificate_lifetime=lifetime) as coordinator:
        yield coordinator


def port_of(coordinator: Running) -> int:
    return int(coordinator.endpoints.members.rpartition(":")[2])


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Running]:
    async with coordinator_at(tmp_path / "coordinator") as running_coordinator:
        yield running_coordinator


@pytest.fixture
def node(tmp_path: Path) -> NodeHome:
    return NodeHome(tmp_path / "node", toy.write_toy_embedder(tmp_path / "embedder"))


@pytest.fixture
def math(tmp_path: Path) -> Path:
    return write_prompts(tmp_path / "math.jsonl", words(0))


@pytest.fixture
def law(tmp_path: Path) -> Path:
    return write_prompts(tmp_path / "law.jsonl", words(7))


async def test_changed_files_are_contributed_again_and_touched_ones_are_not(
    coordinator: Running, node: NodeHome, math: Path
) -> None:
    await node.join(await coordinator.invite("alpha"), {"math": math})
    async with daemon(node, refresh_s=0.05):
        write_prompts(math, words(3))
        await node.until(lambda status: status.domains[0].sequence == 2 and status.domains[0].committed)
        await expect_sum(coordinator, {("alpha", "math"): words(3)})
        os.utime(math)
        await asyncio.sleep(0.3)
        assert (await node.status()).domains[0].sequence == 2
        math.rename(math.with_suffix(".away"))  # noqa: ASYNC240
        await node.until(lambda status: "math.jsonl" in status.last_error)
        await expect_sum(coordinator, {("alpha", "math"): words(3)})


async def test_routing_goes_on_while_the_coordinator_is_away_and_work_resumes(
    node: NodeHome, math: Path, law: Path, tmp_path: Path
) -> None:
    async with coordinator_at(tmp_path / "coordinator") as coordinator:
        port = port_of(coordinator)
        await node.join(await coordinator.invite("alpha"), {"math": math})
        async with daemon(node):
            await node.until(lambda status: status.router_version >= 1)
    async with daemon(node):
        assert (await node.route("w0")).domain == "math"
        news = News()
        joining = asyncio.create_task(node.join("", {"law": law}, news=news))
        await node.until(lambda _: bool(news.domains("waiting")))
        status = await node.status()
        assert not status.connected
        assert "does not answer" in status.last_error
        async with coordinator_at(tmp_path / "coordinator", port) as coordinator:
            await joining
            await expect_sum(coordinator, {("alpha", "math"): words(0), ("alpha", "law"): words(7)})
            # Each duty forgets its failure when it has tried again, which is after its own pause.
            await node.until(lambda now: now.router_version >= 2 and now.connected and not now.last_error)


async def test_leaving_is_heard_while_the_coordinator_is_away_and_done_once_it_is_back(
    node: NodeHome, math: Path, tmp_path: Path
) -> None:
    async with coordinator_at(tmp_path / "coordinator") as coordinator:
        port = port_of(coordinator)
        await node.join(await coordinator.invite("alpha"), {"math": math})
    async with daemon(node, refresh_s=0.05):
        write_prompts(math, words(3))
        news = News()
        leaving = asyncio.create_task(node.leave(news=news))
        await node.until(lambda _: bool(news.domains("waiting")))
        leaving.cancel()
        await asyncio.wait([leaving])
        async with coordinator_at(tmp_path / "coordinator", port) as coordinator:
            await node.until(lambda status: "has left" in status.last_error)
            await expect_sum(coordinator, {})


async def test_an_old_router_is_never_served_after_a_newer_one(
    coordinator: Running, node: NodeHome, math: Path
) -> None:
    async with daemon(node):
        await node.join(await coordinator.invite("alpha"), {"math": math})
        version = (await node.until(lambda status: status.router_version >= 1)).router_version
    async with daemon(node):
        assert (await node.status()).router_version == version


async def test_a_damaged_router_on_disk_is_fetched_again(coordinator: Running, node: NodeHome, math: Path) -> None:
    async with daemon(node):
        await node.join(await coordinator.invite("alpha"), {"math": math})
        await node.until(lambda status: status.router_version >= 1)
    router = node.data_dir / "router.bin"
    router.write_bytes(router.read_bytes()[:-1])
    async with daemon(node):
        await node.until(lambda status: status.router_version >= 1)
        assert (await node.route("w0")).domain == "math"


async def test_a_renewed_certificate_carries_the_feed_on(node: NodeHome, math: Path, law: Path, tmp_path: Path) -> None:
    """A feed that was left on the connection of the old certificate would end with it."""
    lifetime = timedelta(seconds=3)
    async with coordinator_at(tmp_path / "coordinator", lifetime=lifetime) as coordinator:
        await node.join(await coordinator.invite("alpha"), {"math": math})
        first = read_tls(DataDirectory(node.data_dir, "node")).certificate_pem
        async with daemon(node):
            await asyncio.sleep(lifetime.total_seconds() + 1.0)
            assert read_tls(DataDirectory(node.data_dir, "node")).certificate_pem != first
            before = (await node.status()).router_version
            await node.join("", {"law": law})
            await node.until(lambda now: now.router_version > before and not now.last_error, timeout_s=5)


async def test_an_expired_certificate_is_said_and_a_new_invitation_helps(
    coordinator: Running, node: NodeHome, math: Path
) -> None:
    await node.join(await coordinator.invite("alpha"), {"math": math})
    async with daemon(node):
        await node.until(lambda status: status.router_version >= 1)
    coordinator.clock.ahead = timedelta(days=2)
    ahead = timedelta(days=2)
    async with daemon(node, now=lambda: datetime.now(UTC) + ahead):
        assert (await node.route("w0")).domain == "math"
        await node.until(lambda status: "expired" in status.last_error and "invitation" in status.last_error)
        with pytest.raises(Refused, match="new invitation"):
            await node.leave()


async def test_a_revoked_node_says_so_keeps_routing_and_comes_back_with_an_invitation(
    coordinator: Running, node: NodeHome, math: Path, law: Path
) -> None:
    async with daemon(node, refresh_s=0.05):
        await node.join(await coordinator.invite("alpha"), {"math": math})
        await node.until(lambda status: status.router_version >= 1)
        await coordinator.administer(rpc.REVOKE, m.OwnerRequest("alpha"))
        await node.until(lambda status: "revoked" in status.last_error)
        assert (await node.route("w0")).domain == "math"
        write_prompts(math, words(5))
        await node.join(await coordinator.invite("alpha"), {"law": law})
        await expect_sum(coordinator, {("alpha", "math"): words(5), ("alpha", "law"): words(7)})
        status = await node.until(lambda status: status.router_version >= 2 and not status.last_error)
        assert status.connected


async def test_over_the_network_only_the_own_owner_may_ask(coordinator: Running, node: NodeHome, math: Path) -> None:
    await node.join(await coordinator.invite("alpha"), {"math": math})
    own = read_tls(DataDirectory(node.data_dir, "node"))
    beta = (await coordinator.owner("beta")).tls
    assert beta is not None
    name = owner_dns_name("alpha")
    async with daemon(node, listen="127.0.0.1:0") as at:
        await node.until(lambda status: status.router_version >= 1)
        request = m.RouteRequest("w0")
        async with member_channel(at.routing, own, name) as channel:
            assert (await rpc.call(channel, rpc.ROUTE, request, timeout_s=5)).decision is not None
        async with (
            refused(grpc.StatusCode.PERMISSION_DENIED, "node of alpha"),
            member_channel(at.routing, beta, name) as channel,
        ):
            await rpc.call(channel, rpc.ROUTE, request, timeout_s=5)
        async with refused(grpc.StatusCode.UNIMPLEMENTED, ""), member_channel(at.routing, own, name) as channel:
            await rpc.call(channel, rpc.NODE_STATUS, m.GetNodeStatusRequest(), timeout_s=5)
        for stranger in (_foreign(own), None):
            async with refused(grpc.StatusCode.UNAVAILABLE, ""), _channel(at.routing, own, name, stranger) as channel:
                await rpc.call(channel, rpc.ROUTE, request, timeout_s=5)


def _foreign(own: MemberTls) -> MemberTls:
    """A certificate of the right name by an authority of somebody else."""
    key = new_tls_key()
    authority = CertificateAuthority.create("elsewhere", datetime.now(UTC))
    certificate = authority.issue_member(signing_request(key, "alpha"), "alpha", datetime.now(UTC))
    return MemberTls(own.authority_pem, certificate, key)


def _channel(address: str, own: MemberTls, name: str, shown: MemberTls | None) -> grpc.aio.Channel:
    if shown is not None:
        return member_channel(address, shown, name)
    credentials = grpc.ssl_channel_credentials(own.authority_pem)
    return grpc.aio.secure_channel(address, credentials, options=[("grpc.ssl_target_name_override", name)])


async def test_prompts_beyond_the_bounds_and_without_words_are_refused(
    coordinator: Running, node: NodeHome, math: Path
) -> None:
    async with daemon(node):
        async with refused(grpc.StatusCode.FAILED_PRECONDITION, "no router"):
            await node.route("w0")
        await node.join(await coordinator.invite("alpha"), {"math": math})
        await node.until(lambda status: status.router_version >= 1)
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "no token"):
            await node.route("")
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "split the batch"):
            await node.call(rpc.ROUTE_BATCH, m.RouteBatchRequest(("w0",) * 5000))
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "top_k"):
            await node.call(rpc.ROUTE, m.RouteRequest("w0", 1_000_000))
        batch = await node.call(rpc.ROUTE_BATCH, m.RouteBatchRequest(("w0", "", "w1 w2")))
    assert [bool(entry.decision) for entry in batch.entries] == [True, False, True]
    assert "no token" in batch.entries[1].refusal


async def test_standard_input_is_not_the_daemons(coordinator: Running, node: NodeHome) -> None:
    async with daemon(node):
        with pytest.raises(Exception, match="standard input"):
            await node.join(await coordinator.invite("alpha"), {"math": Path("-")})
    assert (await node_status(node.data_dir))[0] == m.NodeStatus()


async def test_enrolment_is_not_served_by_a_node(coordinator: Running, node: NodeHome, math: Path) -> None:
    """A coordinator's certificate cannot stand for a node's, nor the other way round."""
    await node.join(await coordinator.invite("alpha"), {"math": math})
    own = read_tls(DataDirectory(node.data_dir, "node"))
    async with (
        daemon(node, listen="127.0.0.1:0") as at,
        refused(grpc.StatusCode.UNAVAILABLE, ""),
        enrolment_channel(at.routing, own.authority_pem) as channel,
    ):
        await rpc.call(channel, rpc.DESCRIBE, m.DescribeRequest(), timeout_s=5)
