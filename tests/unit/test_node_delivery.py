"""An acknowledgement counts only for the record that was sent."""

from pathlib import Path
from typing import Any

import pytest

from ridgeway.crypto.identity import IdentityKey
from ridgeway.node import delivery
from ridgeway.node.state import NodeState
from ridgeway.proto import messages as m
from ridgeway.runtime.remote_errors import Malformed


@pytest.mark.parametrize(("acknowledged", "counts"), [(1, True), (2, False)])
async def test_another_record_s_acknowledgement_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acknowledged: int, counts: bool
) -> None:
    """Found by seed 1068 of the simulator: a record that had never arrived was taken for committed."""

    async def upload(*_: object) -> m.Committed:
        return m.Committed(acknowledged, repeated=True)

    monkeypatch.setattr(delivery, "upload", upload)
    state = NodeState(tmp_path / "node.db")
    prepared = state.prepare("law", 3, "payload", "source", lambda _: m.SignedRecord(b"body", b"signature"))
    nobody: Any = None
    sender = delivery.CoordinatorDelivery(state, nobody, IdentityKey.generate(), tmp_path)
    if counts:
        await sender.contribution(prepared, lambda _: None)
    else:
        with pytest.raises(Malformed, match="acknowledged sequence 2"):
            await sender.contribution(prepared, lambda _: None)
    assert bool(state.last_committed()) is counts
    state.close()


async def test_experts_that_change_while_others_are_on_their_way_are_sent_too(tmp_path: Path) -> None:
    state = NodeState(tmp_path / "node.db")
    state.add({}, (m.Expert("", "law", "http://localhost:1/v1", "one"),))

    class MeasuredMeanwhile:
        async def call(self, *_: object) -> None:
            state.measured({"http://localhost:1/v1": 3.5})

    link: Any = MeasuredMeanwhile()
    sender = delivery.CoordinatorDelivery(state, link, IdentityKey.generate(), tmp_path)
    await sender.experts()
    assert not state.experts_registered
    state.close()
