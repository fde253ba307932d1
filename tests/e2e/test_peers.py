"""Peers without a coordinator, over real gRPC and TLS: join, contribute, route, leave, evict, come back."""

from pathlib import Path

import pytest
import toy
from node_running import words, write_prompts
from peer_running import PeerHome, peer, toy_manifest

LAW, CODE = words(1), words(7)


@pytest.fixture
def embedder(tmp_path: Path) -> Path:
    return toy.write_toy_embedder(tmp_path / "toy")


async def test_two_peers_hold_the_same_sum_to_the_bit(tmp_path: Path, embedder: Path) -> None:
    a, b = (PeerHome(tmp_path / name, embedder) for name in ("a", "b"))
    a.found("ann")
    law, code = write_prompts(tmp_path / "law.jsonl", LAW), write_prompts(tmp_path / "code.jsonl", CODE)
    async with peer(a), peer(b):
        await a.join(domains={"law": law})
        await b.join(await a.invite("bob"), {"code": code})
        contributions = {("ann", "law"): LAW, ("bob", "code"): CODE}
        for home in (a, b):
            await home.holds(contributions, toy_manifest())
