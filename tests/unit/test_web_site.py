"""The page's server against everything that browsers, strangers and slow lines may send."""

import asyncio
import ipaddress
import json
import logging
import resource
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from running import until
from web_running import site

from ridgeway.web.access import SESSION_S
from ridgeway.web.errors import CannotTry
from ridgeway.web.limits import Limits
from ridgeway.web.settings import AccessToken, HttpSettings

SECRET = "7d" * 20
PAGE = Path(__file__).parents[2] / "web" / "page"
MARK = "xylophone-9137"


def guarded() -> HttpSettings:
    return HttpSettings("127.0.0.1", 0, AccessToken(SECRET))


def bearer(secret: str = SECRET) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def test_every_file_of_the_page_is_served_with_its_type_and_a_strict_policy() -> None:
    async with site() as visited:
        status, text, headers = await visited.ask("")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert text == (PAGE / "index.html").read_text()
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for path in PAGE.iterdir():
            if path.suffix != ".html":
                status, text, headers = await visited.ask(f"assets/{path.name}")
                assert (status, text) == (200, path.read_text())
                assert headers["X-Content-Type-Options"] == "nosniff"
        for missing in ("assets/../site.py", "assets/index.html", "assets/%2e%2e%2fsite.py", "favicon.ico"):
            assert (await visited.ask(missing))[0] == 404


def test_the_page_names_no_outside_resource_and_no_inline_code() -> None:
    for path in PAGE.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, path
        assert "https://" not in text, path
        if path.suffix == ".html":
            assert "style=" not in text, path
            assert "onclick" not in text, path
        assert "innerHTML" not in text, path


async def test_status_and_metrics_and_health_answer() -> None:
    async with site() as visited:
        assert json.loads((await visited.ask("api/status"))[1]) == {"role": "test", "can_try": True}
        status, text, headers = await visited.ask("metrics")
        assert (status, text) == (200, "ridgeway_test 1.0\n")
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert (await visited.ask("healthz"))[:2] == (200, "ok\n")
        visited.shop.unready = "no router has arrived yet"
        assert (await visited.ask("readyz"))[:2] == (503, "no router has arrived yet\n")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "[::1", "192.0.2.1"]
)
async def test_a_rebound_name_is_misdirected(host: str) -> None:
    async with site() as visited:
        for path in ("", "metrics", "api/status", "healthz"):
            status, text, _ = await visited.ask(path, headers={"Host": host})
            assert status in {400, 421}, text


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1:1", "[::1]:3"])
async def test_names_of_this_machine_are_its_own_through_a_tunnel_too(host: str) -> None:
    async with site() as visited:
        assert (await visited.ask("api/status", headers={"Host": host}))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
async def test_other_sites_cannot_ask_through_a_browser(headers: dict[str, str]) -> None:
    async with site() as visited:
        status, text, _ = await visited.ask("api/try", "POST", json={"prompt": "hello"}, headers=headers)
        assert (status, json.loads(text)["error"]) == (403, "CrossSite")
        assert (await visited.ask("api/events", headers=headers))[0] == 403
        assert visited.shop.prompts == []


async def test_a_form_of_another_site_cannot_post_even_when_it_navigates() -> None:
    async with site() as visited:
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert (await visited.ask("", headers=headers))[0] == 200
        assert (await visited.ask("api/try", "POST", json={"prompt": "x"}, headers=headers))[0] == 403


async def test_a_token_guards_all_but_health_and_the_login() -> None:
    async with site(guarded()) as visited:
        for path in ("metrics", "api/status", "api/events", "assets/page.js"):
            status, text, headers = await visited.ask(path)
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer"), path
            assert json.loads(text)["error"] == "NotAdmitted"
        assert (await visited.ask("metrics", headers=bearer("7d" * 19)))[0] == 401
        assert (await visited.ask("metrics", headers={"Authorization": SECRET}))[0] == 401
        assert (await visited.ask("metrics", headers=bearer()))[0] == 200
        assert (await visited.ask("api/status", headers={"Host": "router.example.org", **bearer()}))[0] == 200
        assert (await visited.ask("healthz"))[0] == 200
        status, _, headers = await visited.ask("")
        assert (status, headers["Location"]) == (303, "/login")


async def test_a_browser_logs_in_and_keeps_no_token() -> None:
    async with site(guarded()) as visited:
        assert (await visited.ask("login"))[0] == 200
        status, _, headers = await visited.ask("login", "POST", data={"token": "wrong"})
        assert (status, headers["Location"], "Set-Cookie" in headers) == (303, "/login#wrong", False)
        assert (await visited.ask("login", "POST", data={}))[0] == 400
        status, _, headers = await visited.ask("login", "POST", data={"token": SECRET})
        assert (status, headers["Location"]) == (303, "/")
        cookie = headers["Set-Cookie"]
        assert SECRET not in cookie
        assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", f"Max-Age={SESSION_S};"))
        name, _, value = cookie.partition(";")[0].partition("=")
        assert (await visited.ask("api/status", headers={"Cookie": f"{name}={value}"}))[0] == 200
        assert (await visited.ask("api/status", headers={"Cookie": f"{name}={value[:-1]}0"}))[0] == 401


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b'{"prompt": 7}', "application/json", 400),
        (b'{"prompt": null}', "application/json", 400),
        (b'{"prompts": ["a"]}', "application/json", 400),
        (b'{"prompt": "a", "top_k": 3}', "application/json", 400),
        (b'{"prompt": "\\ud83d"}', "application/json", 400),
        (b'{"prompt": "\xff"}', "application/json", 400),
        (b'{"prompt": NaN}', "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b'{"prompt": "  "}', "application/json", 422),
        (b'{"prompt": "a"}', "text/plain", 415),
        (b"prompt=a", "application/x-www-form-urlencoded", 415),
        (b'{"prompt": "' + b"a" * 70_000 + b'"}', "application/json", 413),
    ],
)
async def test_a_bad_body_is_the_callers_fault(body: bytes, kind: str, status: int) -> None:
    async with site() as visited:
        found, text, _ = await visited.ask("api/try", "POST", data=body, headers={"Content-Type": kind})
        assert (found, set(json.loads(text))) == (status, {"error", "message"})
        assert visited.shop.prompts == []


async def test_a_body_without_end_is_cut_off() -> None:
    async def endless() -> Any:
        for _ in range(1000):
            yield b"a" * 65536

    async with site() as visited:
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            status, _, _ = await visited.ask(
                "api/try", "POST", data=endless(), headers={"Content-Type": "application/json"}
            )
            assert status == 413
            raise aiohttp.ClientError
        assert (await visited.ask("healthz"))[0] == 200


async def test_methods_that_a_path_does_not_take_are_refused() -> None:
    async with site() as visited:
        status, _, headers = await visited.ask("api/try")
        assert (status, headers["Allow"]) == (405, "POST")
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            assert (await visited.ask("api/status", method))[0] == 405


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(500)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"POST /api/try HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_answered_so_or_cut_off(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with site() as visited:
        answer = await visited.raw(request_bytes)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 200"))
        if b"evil.example" in request_bytes:
            assert b"HTTP/1.1 200" not in answer
        assert (await visited.ask("healthz"))[0] == 200


async def test_a_connection_carries_one_request() -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with site() as visited:
        answer = await visited.raw(one + one)
        assert answer.count(b"HTTP/1.1 200") == 1
        assert b"Connection: close" in answer


async def test_a_head_that_dawdles_is_cut_off() -> None:
    async with site(limits=Limits(head_wait_s=0.1)) as visited:
        assert (await visited.raw(b"GET / HTTP/1.1\r\nHost: loc")).startswith(b"HTTP/1.1 408")
        assert (await visited.raw(b"")).startswith(b"HTTP/1.1 408")


async def test_a_body_that_dawdles_is_cut_off() -> None:
    head = b"POST /api/try HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    async with site(limits=Limits(answer_wait_s=0.1)) as visited:
        with pytest.raises(ConnectionResetError):
            assert await visited.raw(head) == b""
            raise ConnectionResetError
        assert visited.shop.prompts == []


async def test_a_thousand_idle_connections_keep_nobody_out_and_cost_little() -> None:
    async with site() as visited:
        await visited.ask("healthz")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        idle = [await asyncio.open_connection("127.0.0.1", visited.port) for _ in range(1000)]
        try:
            async with asyncio.timeout(5):
                assert (await visited.ask(""))[0] == 200
            grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            assert grown_kib < 100 * 1024
        finally:
            for _, writer in idle:
                writer.close()


async def test_when_all_connections_are_busy_the_next_is_told_so() -> None:
    async with site(limits=Limits(connections=2)) as visited, visited.session.get(visited.url + "api/events") as first:
        await first.content.readline()
        async with visited.session.get(visited.url + "api/events") as second:
            await second.content.readline()
            answer = await visited.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 503")


async def next_document(response: aiohttp.ClientResponse) -> Any:
    async with asyncio.timeout(5):
        while not (line := await response.content.readline()).startswith(b"data: "):
            assert line in {b"\n", b": quiet\n"}
        return json.loads(line.removeprefix(b"data: "))


async def test_watchers_hear_of_changes_and_share_one_question() -> None:
    async with site(limits=Limits(look_s=0.02)) as visited:
        watching = [await visited.session.get(visited.url + "api/events") for _ in range(8)]
        for response in watching:
            assert response.headers["Content-Type"] == "text/event-stream"
            assert (await next_document(response))["role"] == "test"
        visited.shop.document = {"role": "changed"}
        for response in watching:
            assert (await next_document(response))["role"] == "changed"
        assert visited.shop.asked < 100
        for response in watching:
            response.close()
        await asyncio.sleep(0.1)
        quiet_since = visited.shop.asked
        await asyncio.sleep(0.1)
        assert visited.shop.asked == quiet_since


async def test_a_watcher_that_reads_nothing_is_dropped() -> None:
    async with site(limits=Limits(look_s=0.01, take_wait_s=0.2)) as visited:
        deaf = socket.create_connection(("127.0.0.1", visited.port))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for number in range(200):
            visited.shop.document = {"role": str(number), "filling": "x" * 200_000}
            await asyncio.sleep(0.01)
        asked = visited.shop.asked
        await asyncio.sleep(0.3)
        assert visited.shop.asked <= asked + 1
        deaf.close()


async def test_too_many_watchers_are_told_so() -> None:
    async with site(limits=Limits(watchers=1)) as visited, visited.session.get(visited.url + "api/events") as first:
        await next_document(first)
        assert (await visited.ask("api/events"))[0] == 429


async def test_open_streams_do_not_hold_up_the_end() -> None:
    async with site() as visited:
        response = await visited.session.get(visited.url + "api/events")
        await next_document(response)
        began = asyncio.get_running_loop().time()
    response.close()
    assert asyncio.get_running_loop().time() - began < 3


async def test_only_so_many_prompts_are_tried_at_once() -> None:
    release = asyncio.Event()

    async def slow(_: str) -> dict[str, str]:
        await release.wait()
        return {"domain": "law"}

    async with site(try_prompt=slow) as visited:
        asking = [asyncio.create_task(visited.ask("api/try", "POST", json={"prompt": "a"})) for _ in range(6)]
        await until(lambda: sum(task.done() for task in asking) == 4)
        release.set()
        answers = sorted(status for status, _, _ in await asyncio.gather(*asking))
        assert answers == [200, 200, 429, 429, 429, 429]


async def test_a_failure_says_where_and_never_what(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(prompt: str) -> dict[str, str]:
        raise ValueError(f"cannot digest {prompt}")

    caplog.set_level(logging.DEBUG)
    async with site(try_prompt=fail) as visited:
        status, text, _ = await visited.ask("api/try", "POST", json={"prompt": MARK})
        assert status == 500
        assert MARK not in text
    assert "ValueError" in caplog.text
    assert MARK not in caplog.text


async def test_a_prompt_leaves_no_trace_in_the_log_whatever_becomes_of_it(caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(prompt: str) -> dict[str, str]:
        raise CannotTry(f"cannot try {len(prompt)} characters")

    caplog.set_level(logging.DEBUG)
    async with site(try_prompt=refuse) as visited:
        assert (await visited.ask("api/try", "POST", json={"prompt": MARK}))[0] == 422
        await visited.ask("api/try", "POST", data=f'{{"prompt": "{MARK}"', headers={"Content-Type": "application/json"})
        await visited.ask(f"api/status?prompt={MARK}")
        await visited.ask(MARK)
        await visited.raw(f"{MARK}\r\nHost: localhost\r\n\r\n".encode())
        await visited.raw(
            f"POST /api/try HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}{MARK}\r\n\r\n".encode()
        )
    assert MARK not in caplog.text


async def test_tls_is_served_with_the_files_that_are_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot be used") as refused:
        async with site(HttpSettings("127.0.0.1", 0, None, tmp_path / "c.pem", tmp_path / "k.pem")):
            raise AssertionError
    assert type(refused.value).__name__ == "BadHttpSettings"


async def test_a_taken_port_is_named() -> None:
    async with site() as visited:
        with pytest.raises(Exception, match="choose another --http"):
            async with site(HttpSettings("127.0.0.1", visited.port)):
                raise AssertionError


async def test_tls_is_served_to_whoever_trusts_the_certificate(tmp_path: Path) -> None:
    certificate, key = own_certificate(tmp_path)
    settings = HttpSettings("127.0.0.1", 0, AccessToken(SECRET), certificate, key)
    trusting = ssl.create_default_context(cafile=certificate)
    async with site(settings) as visited:
        assert visited.url.startswith("https://127.0.0.1:")
        assert (await visited.ask("metrics", headers=bearer(), ssl=trusting))[0] == 200
        _, _, headers = await visited.ask("login", "POST", data={"token": SECRET}, ssl=trusting)
        assert "Secure" in headers["Set-Cookie"]
        trusting.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(aiohttp.ClientConnectorError):
            await visited.ask("healthz", ssl=trusting)
        assert await visited.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""


def own_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 by its own key, and the key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "page")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(made.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate_file, key_file


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        ("multipart/form-data", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded; charset=no-such", 400),
    ],
)
async def test_a_form_that_is_none_is_refused(content_type: str, code: int) -> None:
    async with site(guarded()) as visited:
        status, text, _ = await visited.ask("login", "POST", data=b"token=x", headers={"Content-Type": content_type})
        assert (status, "error" in text) == (code, True)


async def test_an_origin_that_is_no_url_is_another_site() -> None:
    async with site() as visited:
        assert (await visited.ask("api/status", headers={"Origin": "http://["}))[0] == 403
