"""The whole story through the command line, in real processes on loopback with real TLS."""

import json
import stat
from pathlib import Path

import pytest
from cli_running import daemon, document, ridgeway

from ridgeway.samples import test_path as held_out_path
from ridgeway.samples import train_path

# One owner after another, which masking would have wait for each other.
OPEN = ("--masking", "off")


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {name: str(tmp_path / name) for name in ("coordinator", "firm", "house")}


@pytest.mark.timeout(180)
def test_invite_join_route_status_leave_evict(tmp_path: Path, home: dict[str, str]) -> None:
    center, firm, house = home["coordinator"], home["firm"], home["house"]
    with daemon(tmp_path / "coordinator.log", "coordinator", "--data-dir", center, "--listen", "127.0.0.1:0", *OPEN):
        token = document("invite", "law-firm", "--data-dir", center)["token"]
        joined = document(
            "join", "-", "--data-dir", firm, "--domain", f"legal={train_path('legal')}",
            "--expert", "legal=https://llm.example/v1#law-8b",
            "--generalist", "general=https://llm.example/v1#all-70b", stdin=token,
        )  # fmt: skip
        assert joined["owner"] == "law-firm"
        assert joined["domains"][0]["committed"]
        first = document("status", "--data-dir", center)
        with daemon(tmp_path / "house.log", "node", "--data-dir", house):
            token = ridgeway("invite", "house", "--data-dir", center).splitlines()[0]
            (tmp_path / "token").write_text(token)
            document(
                "join", f"@{tmp_path / 'token'}", "--data-dir", house, "--domain", f"coding={train_path('coding')}"
            )
            status = document("status", "--data-dir", house)
            assert status["node"]["owner"] == "house"
            assert [d["domain"] for d in status["domains"]] == ["coding", "legal"]
            assert status["sum_digest"] != first["sum_digest"]
            assert status["rows"] == sum(d["rows"] for d in status["domains"])
            wait_for_router(house, "legal")
            check_routing(house)
            left = document("leave", "--data-dir", house)
            assert left["sum_digest"] == first["sum_digest"]
        states = {m["owner"]: m["state"] for m in document("members", "--data-dir", center)["members"]}
        assert states == {"law-firm": "active", "house": "left"}
        refused = document("join", token, "--data-dir", str(tmp_path / "thief"), code=1)
        assert refused["error"] == "Refused"
        assert document("revoke", "law-firm", "--data-dir", center)["sum_digest"] == first["sum_digest"]
        assert "was revoked" in document("status", "--data-dir", firm)["error"]
    evicted = document("evict", "law-firm", "--data-dir", center)
    assert evicted["sum_digest"] != first["sum_digest"]
    assert "evicted" in ridgeway("members", "--data-dir", center)
    unreachable = document("join", token, "--data-dir", str(tmp_path / "late"), code=3)
    assert unreachable["error"] == "Unreachable"


def wait_for_router(data_dir: str, domain: str) -> None:
    """The router of the present sum arrives at the daemon on its own; look until it does."""
    for _ in range(50):
        status = document("status", "--data-dir", data_dir)
        if status["router_is_current"] and status["node"]["router_version"] == status["router_version"]:
            return
    raise AssertionError(f"no router with {domain} came: {status}")


def check_routing(data_dir: str) -> None:
    decision = document("route", "--data-dir", data_dir, "Review this contract clause on liability.")
    assert decision["domain"] == "legal"
    assert decision["expert"] == {"owner": "law-firm", "url": "https://llm.example/v1", "model": "law-8b"}
    assert max(decision["votes"], key=decision["votes"].get) == "legal"
    assert document("route", "--data-dir", data_dir, "--top-k", "3", "contract", code=1)["error"] == "NoTokenVotes"
    check_explaining(data_dir)
    check_fallback(data_dir)
    assert document("route", "--data-dir", data_dir, "-", stdin="python list index out of range")["domain"] == "coding"
    refusal = document("route", "--data-dir", data_dir, "  ", code=4)
    assert refusal["error"] == "NoKnownToken"
    held_out = ridgeway("route", "--data-dir", data_dir, "--file", str(held_out_path("coding")), "--json")
    chosen = [json.loads(line)["domain"] for line in held_out.splitlines()]
    assert (len(chosen), chosen.count("coding") >= 12) == (18, True)


def check_explaining(data_dir: str) -> None:
    prompt, html = "Does clause 4 limit liability? 🙂", Path(data_dir).parent / "why.html"
    explained = document("route", "--data-dir", data_dir, "--explain", "--html", str(html), prompt)
    why = explained["explanation"]
    total = sum(segment["share"]["chosen"] for segment in why["segments"]) + why["bias"]["chosen"]
    assert total == pytest.approx(explained["votes"][explained["domain"]])
    assert "liability" in [segment["text"] for segment in why["segments"]]
    assert "liability</mark>" in html.read_text()
    assert stat.S_IMODE(html.stat().st_mode) == 0o600
    shown = ridgeway("route", "--data-dir", data_dir, "--explain", prompt)
    assert "liability" in shown
    assert "bias" in shown


def check_fallback(data_dir: str) -> None:
    unsure = ("route", "--data-dir", data_dir, "--min-confidence", "1.0", "Review this contract.")
    nobody = document(*unsure)
    assert (nobody["fallback"], nobody["expert"], nobody["domain"]) == (True, None, "legal")
    generalist = document(*unsure, "--fallback", "general")
    assert (generalist["fallback"], generalist["expert"]["model"]) == (True, "all-70b")
    assert document(*unsure, "--fallback", "nobody-knows", code=1)["error"] == "BadFallback"


@pytest.mark.timeout(180)
def test_the_demo_is_sound_and_says_so_as_data(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    told = document("demo", "--keep", str(kept))
    assert told["sound"] is True
    assert [(step["exact"], len(step["sum_digest"])) for step in told["rounds"]] == [(True, 64)] * 2
    assert told["rounds"][0]["sum_digest"] != told["rounds"][1]["sum_digest"]
    assert [len(told["joins"]), len(told["routed"]), len(told["exit_codes"])] == [4, 72, 5]
    assert told["balanced_accuracy"] > 0.75
    assert told["seconds"] < 60
    assert sorted(p.name for p in kept.iterdir() if p.is_dir()) == [
        "bank", "clinic", "coordinator", "law-firm", "software-house",
    ]  # fmt: skip
    assert all(p.stat().st_mode & 0o077 == 0 for p in kept.rglob("*.key"))
    assert document("members", "--data-dir", str(kept / "coordinator"))["members"][0]["owner"] == "bank"
