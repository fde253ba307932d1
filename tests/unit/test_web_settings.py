"""Where HTTP may be served and to whom: nothing that would let strangers in gets past the settings."""

from pathlib import Path

import pytest

from ridgeway.web import settings
from ridgeway.web.settings import AccessToken, BadHttpSettings, HttpExtraMissing, read_settings

SECRET = "5f0c" * 8


def token_file(folder: Path, text: str = SECRET + "\n", mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.0.0.53"])
def test_this_machine_needs_no_token(host: str) -> None:
    read = read_settings(f"{host}:8080", None, None, None)
    assert (read.host, read.port, read.token) == (host.strip("[]"), 8080, None)


@pytest.mark.parametrize("address", ["8080", ":8080", "localhost:", "localhost:http", "localhost:70000", "localhost:٣"])
def test_an_address_is_host_and_port(address: str) -> None:
    with pytest.raises(BadHttpSettings, match="no HOST:PORT"):
        read_settings(address, None, None, None)


@pytest.mark.parametrize("host", ["[::]", "192.168.1.4", "router.example.org", "127.0.0.1.example.org"])
def test_other_addresses_need_a_token_and_tls(host: str, tmp_path: Path) -> None:
    with pytest.raises(BadHttpSettings, match="--http-token-file"):
        read_settings(f"{host}:8080", None, tmp_path / "c.pem", tmp_path / "k.pem")
    with pytest.raises(BadHttpSettings, match="--http-certificate"):
        read_settings(f"{host}:8080", token_file(tmp_path), None, None)
    assert read_settings(f"{host}:8080", token_file(tmp_path), tmp_path / "c.pem", tmp_path / "k.pem").token


def test_certificate_and_key_come_together(tmp_path: Path) -> None:
    with pytest.raises(BadHttpSettings, match="both"):
        read_settings("localhost:1", None, tmp_path / "c.pem", None)


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        ("short", 0o600, "32 or more characters"),
        ("", 0o600, "32 or more characters"),
        (f"{SECRET} {SECRET}", 0o600, "on one line"),
        (f"{SECRET}\n{SECRET}", 0o600, "on one line"),
        ("é" * 40, 0o600, "no plain text"),
        (SECRET, 0o644, "chmod 600"),
        (SECRET, 0o620, "chmod 600"),
    ],
)
def test_a_weak_token_is_refused_without_showing_it(text: str, mode: int, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadHttpSettings, match=sentence) as refused:
        read_settings("localhost:1", token_file(tmp_path, text, mode), None, None)
    assert SECRET not in str(refused.value)


def test_a_token_s_file_is_read_up_to_its_bound_and_no_token_is_cut(tmp_path: Path) -> None:
    longest = "x" * settings.TOKEN_BYTES_MAX
    read = read_settings("localhost:1", token_file(tmp_path, longest), None, None)
    assert read.token is not None
    assert read.token.matches(longest)
    for text in (longest + "y", longest + "\n" * 2, "\n" * (1 << 20) + longest):
        with pytest.raises(BadHttpSettings, match="more than 4096 bytes"):
            read_settings("localhost:1", token_file(tmp_path, text), None, None)


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadHttpSettings, match="nowhere cannot be read"):
        read_settings("localhost:1", tmp_path / "nowhere", None, None)


def test_a_token_opens_for_itself_and_its_session_only() -> None:
    token = AccessToken(SECRET)
    assert token.matches(SECRET)
    assert token.opens(token.session())
    for wrong in ("", SECRET[:-1], SECRET + "0", "\ud800", "日本", token.session()):
        assert not token.matches(wrong)
    for wrong in ("", SECRET, token.session()[:-1], "\ud800"):
        assert not token.opens(wrong)
    assert SECRET not in repr(token)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "find_spec", lambda _: None)
    with pytest.raises(HttpExtraMissing, match=r"pip install 'ridgeway\[http\]'"):
        read_settings("localhost:1", None, None, None)
