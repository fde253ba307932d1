"""TLS, pinning, sockets and data directories, each against a real peer or a real file system."""

import asyncio
import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from running import running

from ridgeway.coordinator.administration import SOCKET
from ridgeway.crypto.authority import CertificateAuthority
from ridgeway.crypto.certificates import new_tls_key, signing_request
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.data_dir import (
    DataDirectory,
    DataDirectoryError,
    DataDirectoryInUse,
    WrongDataDirectory,
    write_durably,
)
from ridgeway.runtime.local_socket import connect
from ridgeway.runtime.pinning import AuthorityMismatch, fetch_pinned_authority
from ridgeway.runtime.remote_errors import Unreachable
from ridgeway.runtime.tls import MemberTls, member_channel


def handshake(address: str, version: ssl.TLSVersion) -> str | None:
    """The TLS version that a server agrees to, for a client that knows only this one."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw, context.wrap_socket(raw) as wrapped:
        return wrapped.version()


async def test_both_listeners_speak_tls_1_3_and_nothing_older(tmp_path: Path) -> None:
    async with running(tmp_path / "coordinator") as coordinator:
        for address in (coordinator.endpoints.members, coordinator.endpoints.enrolment):
            assert await asyncio.to_thread(handshake, address, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.to_thread(handshake, address, ssl.TLSVersion.TLSv1_2)


def test_a_client_does_not_talk_to_a_server_that_knows_only_tls_1_2(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority, key = CertificateAuthority.create("fed", now), new_tls_key()
    certificate = authority.issue_coordinator(signing_request(key, "x"), now, timedelta(days=1))
    (tmp_path / "chain.pem").write_bytes(key + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tmp_path / "chain.pem")
    outcomes: list[str] = []

    def serve(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        try:
            with peer, context.wrap_socket(peer, server_side=True) as wrapped:
                outcomes.append(f"agreed on {wrapped.version()}")
        except (ssl.SSLError, ConnectionError) as error:
            outcomes.append(f"refused: {error}")

    async def call(port: int) -> None:
        tls = MemberTls(authority.certificate_pem, certificate, key)
        async with member_channel(f"127.0.0.1:{port}", tls) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await rpc.call(channel, rpc.GET_STATUS, m.GetStatusRequest(), timeout_s=3)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        asyncio.run(call(listener.getsockname()[1]))
        thread.join(10)
    assert outcomes[0].startswith("refused")


async def test_the_pinned_authority_is_found_and_another_is_not(tmp_path: Path) -> None:
    async with running(tmp_path / "coordinator") as coordinator:
        owner = await coordinator.owner("alice")
        assert owner.tls is not None
        pem = (tmp_path / "coordinator" / "authority.pem").read_bytes()
        assert owner.tls.authority_pem == pem
        with pytest.raises(AuthorityMismatch):
            await asyncio.to_thread(fetch_pinned_authority, coordinator.endpoints.enrolment, bytes(32))
        address = coordinator.endpoints.enrolment
    with pytest.raises(Unreachable, match="no coordinator answers"):
        await asyncio.to_thread(fetch_pinned_authority, address, bytes(32), 1.0)
    with pytest.raises(Unreachable, match="no HOST:PORT"):
        fetch_pinned_authority("nowhere", bytes(32))


async def test_the_operator_s_socket_works_in_a_directory_with_a_long_name(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120) / "coordinator"
    async with running(folder):
        assert stat.S_IMODE((folder / SOCKET).stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        async with connect(folder, SOCKET) as channel:
            status = await rpc.call(channel, rpc.ADMIN_STATUS, m.GetStatusRequest(), timeout_s=5)
        assert status.federation_id
    assert not (folder / SOCKET).exists()


def test_every_secret_file_is_the_owner_s_alone(tmp_path: Path) -> None:
    async def start() -> None:
        async with running(tmp_path / "coordinator"):
            pass

    asyncio.run(start())
    for name in ("authority.key", "authority.pem", "ledger.db"):
        path = tmp_path / "coordinator" / name
        assert path.exists()
        assert path.parent.stat().st_mode & 0o077 == 0
    assert stat.S_IMODE((tmp_path / "coordinator" / "authority.key").stat().st_mode) == 0o600


def test_directories_that_are_not_taken(tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryError, match="does not exist"):
        DataDirectory(tmp_path / "none", "node")
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o700)
    shared.chmod(0o770)
    with pytest.raises(DataDirectoryError, match="chmod go-w"):
        DataDirectory(shared, "node", create=True)
    DataDirectory(tmp_path / "node", "node", create=True)
    with pytest.raises(WrongDataDirectory, match="is a node's data directory"):
        DataDirectory(tmp_path / "node", "coordinator")
    (tmp_path / "node" / "ridgeway.json").write_text('{"ridgeway": "node", "format": 2}')
    with pytest.raises(WrongDataDirectory, match="newer release"):
        DataDirectory(tmp_path / "node", "node")


def test_one_process_holds_a_directory_and_is_named(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "node", "node", create=True)
    with directory.locked():
        other = DataDirectory(tmp_path / "node", "node")
        assert other.in_use()
        with pytest.raises(DataDirectoryInUse, match=r"in use by process \d+"), other.locked():
            pass
    assert not directory.in_use()


def test_a_durable_write_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_durably(path, b"a" * 100)
    write_durably(path, b"b")
    assert path.read_bytes() == b"b"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
