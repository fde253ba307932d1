"""What another TLS implementation is told: `openssl s_client` against both listeners of a running coordinator."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from running import Running, running

from ridgeway.crypto.authority import CertificateAuthority
from ridgeway.crypto.certificates import COORDINATOR_NAME, new_tls_key, signing_request

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl; apt-get install openssl")
# The client preface and an empty SETTINGS frame: what HTTP/2 begins with, so that a server that let us in answers.
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
OLDER = ("-tls1", "-tls1_1", "-tls1_2")


@dataclass
class Talk:
    """What came of a connection.

    Attributes:
        let_in: whether the server spoke HTTP/2 to us.
        said: everything that openssl said.
    """

    let_in: bool
    said: str


async def s_client(address: str, *options: str) -> Talk:
    """Connect, say hello in HTTP/2, and listen."""
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", address, "-alpn", "h2", "-servername", COORDINATOR_NAME, *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    said = b""
    try:
        process.stdin.write(HTTP2)
        async with asyncio.timeout(5):
            # A server that lets us in goes on; one that does not ends the connection.
            while piece := await process.stdout.read(65536):
                said += piece
                if b"\x00\x00\x00\x04" in said:
                    return Talk(let_in=True, said=said.decode(errors="replace"))
    except (TimeoutError, ConnectionError):
        pass
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    return Talk(let_in=False, said=said.decode(errors="replace"))


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "coordinator") as made:
        yield made


def trusting(coordinator: Running) -> tuple[str, ...]:
    """Options of a client that trusts the federation's authority, and nobody else."""
    authority = str(coordinator.data_dir / "authority.pem")
    return ("-CAfile", authority, "-verify_return_error", "-verify_hostname", COORDINATOR_NAME)


def shown(folder: Path, name: str, certificate: bytes, key: bytes) -> tuple[str, ...]:
    """Options of a client that shows this certificate."""
    path = folder / f"{name}.pem"
    path.write_bytes(certificate + key)
    return ("-cert", str(path), "-key", str(path))


def issued(authority: CertificateAuthority, now: datetime, lifetime: timedelta) -> tuple[bytes, bytes]:
    """A member's certificate and its key."""
    key = new_tls_key()
    return authority.issue_member(signing_request(key, "alice"), "alice", now, lifetime), key


async def test_tls_is_1_3_and_nothing_older(coordinator: Running) -> None:
    for address in (coordinator.endpoints.members, coordinator.endpoints.enrolment):
        for version in OLDER:
            talk = await s_client(address, version, "-cipher", "ALL:@SECLEVEL=0")
            assert not talk.let_in
            assert "Cipher is (NONE)" in talk.said
    talk = await s_client(coordinator.endpoints.enrolment, "-tls1_3", *trusting(coordinator))
    assert talk.let_in
    assert "TLSv1.3" in talk.said
    assert "Verify return code: 0 (ok)" in talk.said
    assert "ALPN protocol: h2" in talk.said


async def test_a_member_gets_in_and_nobody_without_a_certificate_that_counts(
    coordinator: Running, tmp_path: Path
) -> None:
    address, trusts, now = coordinator.endpoints.members, trusting(coordinator), datetime.now(UTC)
    pem, key = (coordinator.data_dir / name for name in ("authority.pem", "authority.key"))
    status = await coordinator.status()
    own = CertificateAuthority.from_pem(pem.read_bytes(), key.read_bytes(), status.federation_id)
    foreign = CertificateAuthority.create(status.federation_id, now)
    day = timedelta(hours=24)
    member = await coordinator.owner("alice")
    assert member.tls is not None
    good = await s_client(address, *trusts, *shown(tmp_path, "good", member.tls.certificate_pem, member.tls.key_pem))
    assert good.let_in
    assert "TLSv1.3" in good.said
    refused = {
        "none": (),
        "expired": shown(tmp_path, "expired", *issued(own, now, timedelta(seconds=1))),
        "foreign": shown(tmp_path, "foreign", *issued(foreign, now, day)),
        "not yet valid": shown(tmp_path, "future", *issued(own, now + 2 * day, day)),
        "self-signed": shown(tmp_path, "self", foreign.certificate_pem, foreign.private_key_pem()),
    }
    await asyncio.sleep(2.1)
    for case, options in refused.items():
        talk = await s_client(address, *trusts, *options)
        assert not talk.let_in, case
    again = await s_client(address, *trusts, *shown(tmp_path, "good", member.tls.certificate_pem, member.tls.key_pem))
    assert again.let_in


async def test_a_client_that_trusts_another_authority_does_not_talk_to_the_coordinator(
    coordinator: Running, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(CertificateAuthority.create("other", datetime.now(UTC)).certificate_pem)
    for address in (coordinator.endpoints.members, coordinator.endpoints.enrolment):
        talk = await s_client(address, "-CAfile", str(other), "-verify_return_error")
        assert not talk.let_in
        assert "verify error" in talk.said
