"""Keys in both directions, and what protects a gateway that others reach."""

import ipaddress
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gateway_running import SUBJECTS, Home, gateway, gateway_here, question, upstream

from ridgeway.errors import RidgewayError
from ridgeway.gateway.daemon import BadCertificate, CannotListen, GatewaySettings, InsecureListen
from ridgeway.runtime.private_file import NotPrivate

LAW, MATH, MEDICINE = SUBJECTS.values()
TOKEN = "0123456789abcdef-gateway"  # noqa: S105
PAIR = {"certificate": "certificate.pem", "key": "key.pem"}
EVERYWHERE = "0.0.0.0"  # noqa: S104


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    chain = folder / "certificate.pem"
    chain.write_bytes(made.public_bytes(pem))
    return chain, private(folder / "key.pem", plain)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.make(tmp_path)


async def test_beyond_loopback_a_key_over_tls_is_asked_of_clients(home: Home, tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    options = ("--tls-certificate", str(chain), "--tls-key", str(key))
    token = ("--token-file", str(private(tmp_path / "token", TOKEN + "\n")))
    trusted = ssl.create_default_context(cafile=str(chain))
    async with upstream("firm") as firm:
        home.publish((firm.expert("law"),))
        async with gateway(home.data_dir, "--listen", "0.0.0.0:0", *token, *options, debug=True) as running:
            url = f"https://localhost:{running.port}/v1"
            for given, known in ((TOKEN, True), ("wrong", False), (TOKEN + "x", False)):
                http = openai.DefaultAsyncHttpxClient(verify=trusted)
                async with openai.AsyncOpenAI(base_url=url, api_key=given, http_client=http, max_retries=0) as client:
                    if known:
                        await client.chat.completions.create(model="auto", messages=question(LAW))
                    else:
                        with pytest.raises(openai.AuthenticationError) as caught:
                            await client.models.list()
                        assert caught.value.code == "invalid_api_key"
        headers, _ = firm.asked[0]
    assert "Authorization" not in headers
    assert TOKEN not in running.log.read_text()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"host": EVERYWHERE}, InsecureListen),
        ({"host": EVERYWHERE, "token_file": "token"}, InsecureListen),
        ({"host": EVERYWHERE} | PAIR, InsecureListen),
        ({"certificate": "certificate.pem"}, BadCertificate),
        ({"certificate": "key.pem", "key": "key.pem"}, BadCertificate),
        ({"token_file": "readable"}, NotPrivate),
        ({"token_file": "missing"}, NotPrivate),
        ({"certificate": "certificate.pem", "key": "readable"}, NotPrivate),
        ({"keys_file": "readable"}, NotPrivate),
        ({"host": "203.0.113.1", "token_file": "token"} | PAIR, CannotListen),
    ],
)
async def test_what_is_not_safe_is_not_started(
    options: dict[str, str], error: type[RidgewayError], home: Home, tmp_path: Path
) -> None:
    certificate(tmp_path)
    private(tmp_path / "token", TOKEN)
    private(tmp_path / "readable", TOKEN).chmod(0o640)
    given = {name: value if name == "host" else tmp_path / value for name, value in options.items()}
    with pytest.raises(error) as caught:
        async with gateway_here(GatewaySettings(home.data_dir, **given)):  # type: ignore[arg-type]
            pass
    assert TOKEN not in str(caught.value)


async def test_each_expert_gets_its_own_key_from_the_environment_or_a_file(home: Home, tmp_path: Path) -> None:
    keys = private(tmp_path / "keys.toml", '"clinic/medicine" = "sk-file"\n"school" = "sk-school"\n')
    variables = {"RIDGEWAY_KEY_LAW_FIRM__LAW": "sk-environment", "RIDGEWAY_KEY_LAW_FIRM": "sk-other"}
    async with upstream("law-firm") as firm, upstream("school") as school, upstream("clinic") as clinic:
        home.publish((firm.expert("law"), school.expert("math"), clinic.expert("medicine")))
        async with gateway(home.data_dir, "--keys", str(keys), variables=variables, debug=True) as running:
            for text in (LAW, MATH, MEDICINE):
                await running.client().chat.completions.create(model="auto", messages=question(text))
    sent = [served.asked[0][0]["Authorization"] for served in (firm, school, clinic)]
    assert sent == ["Bearer sk-environment", "Bearer sk-school", "Bearer sk-file"]
    assert "sk-" not in running.log.read_text()


async def test_an_expert_on_another_machine_is_not_asked_in_the_clear(home: Home) -> None:
    async with upstream("firm") as firm:
        elsewhere = firm.expert("law", owner="abroad")
        exposed = type(elsewhere)("abroad", "law", "http://experts.example.org/v1", "far-8b")
        home.publish((exposed, firm.expert("law")))
        async with gateway(home.data_dir) as running:
            listed = [model.id async for model in running.client().models.list()]
            chat = await running.client().chat.completions.create(model="auto", messages=question(LAW))
        assert listed == ["auto", "firm/law"]
        assert chat.model == "firm-8b"
        assert "abroad/law" in running.log.read_text()
        async with gateway(home.data_dir, "--allow-http") as running:
            listed = [model.id async for model in running.client().models.list()]
        assert listed == ["auto", "abroad/law", "firm/law"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--data-dir", "nowhere"], "does not exist"),
        (["--fallback", "genius"], "no expert serves"),
        (["--objective", "beauty"], "is no objective"),
        (["--listen", "0.0.0.0:0"], "others can reach"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(options: list[str], sentence: str, home: Home) -> None:
    home.publish(())
    command = [sys.executable, "-m", "ridgeway.cli.main", "gateway", "--data-dir", str(home.data_dir)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
