"""What a newcomer must not take from a coordinator: another manifest than the one that it was shown and has checked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import toy

from ridgeway.coordinator.founding import Wishes
from ridgeway.crypto.invitation import Invitation
from ridgeway.embedder import Embedder
from ridgeway.manifest import FeatureMap, Masking
from ridgeway.node import enrolment
from ridgeway.node.link import CREDENTIAL_FILE, BadCredential, write_credential
from ridgeway.node.state import NodeState
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.data_dir import DataDirectory


@pytest.mark.parametrize("kind", ["masking switched off", "nonsense"])
async def test_a_manifest_that_changes_between_showing_and_enrolling_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Found by the simulator: the manifest of the answer was kept unread, and the node never started again."""
    embedder = toy.toy_embedder()
    shown = Wishes(features=FeatureMap.TOKENS).manifest("f" * 32, embedder.fingerprint)
    other = replace(shown, masking=Masking.OFF).to_json() if kind == "masking switched off" else b"{"

    async def answered(_: object, __: object, method: object, ___: object) -> Any:
        if method is rpc.DESCRIBE:
            return m.DescribeResponse(shown.to_json())
        return m.EnrolResponse(b"certificate", "coordinator:7443", other, 1)

    @asynccontextmanager
    async def channel(*_: object) -> AsyncIterator[None]:
        yield None

    async def load(_: str) -> Embedder:
        return embedder

    monkeypatch.setattr(enrolment, "fetch_pinned_authority", lambda *_: b"authority")
    monkeypatch.setattr(enrolment, "enrolment_channel", channel)
    monkeypatch.setattr(enrolment, "_call", answered)
    directory = DataDirectory(tmp_path / "node", "node", create=True)
    state = NodeState(directory.path / "node.db")
    expires = datetime.now(UTC) + timedelta(hours=1)
    token = Invitation("coordinator:7444", "alpha", "f" * 32, bytes(32), bytes(32), expires).to_token()
    with pytest.raises(enrolment.ManifestChanged, match="another manifest"):
        await enrolment.enrol(directory, state, token, "toy", load)
    assert state.membership is None
    state.close()


def test_what_is_no_certificate_does_not_take_the_place_of_ours(tmp_path: Path) -> None:
    """Found by the simulator with a lying coordinator: the node kept it, and never started again."""
    directory = DataDirectory(tmp_path / "node", "node", create=True)
    directory.write(CREDENTIAL_FILE, b"ours")
    with pytest.raises(BadCredential, match="no certificate"):
        write_credential(directory, b"key", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert directory.read(CREDENTIAL_FILE) == b"ours"
