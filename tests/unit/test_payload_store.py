"""Payloads that another replica received: brought here whole, and never believed unseen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ridgeway.coordinator.payload_store import PayloadDamaged, PayloadKey, PayloadMissing, PayloadStore
from ridgeway.crypto.payload_digest import CHUNK_BYTES, chunk_digests, payload_digest

KEY = PayloadKey("clinic", "medical", b"\x01" * 32)
CONTENT = bytes(range(256)) * (CHUNK_BYTES // 256 + 3)
DIGEST = payload_digest(len(CONTENT), chunk_digests(CONTENT))


def kept(name: str) -> Iterator[bytes]:
    assert name == KEY.file_name
    yield from (CONTENT[:1000], CONTENT[1000:])


def nothing_kept(_: str) -> Iterator[bytes]:
    return iter(())


@pytest.mark.parametrize("here", [None, b"", CONTENT[:CHUNK_BYTES], bytes(len(CONTENT))])
def test_what_is_missing_or_only_partly_here_is_brought_whole(tmp_path: Path, here: bytes | None) -> None:
    if here is not None:
        (tmp_path / KEY.file_name).write_bytes(here)
    assert bytes(PayloadStore(tmp_path).whole(KEY, DIGEST, kept)) == CONTENT


def test_what_is_here_is_not_brought_again(tmp_path: Path) -> None:
    (tmp_path / KEY.file_name).write_bytes(CONTENT)
    assert bytes(PayloadStore(tmp_path).whole(KEY, DIGEST, nothing_kept)) == CONTENT


def test_a_damaged_payload_that_nobody_keeps_is_refused(tmp_path: Path) -> None:
    store = PayloadStore(tmp_path)
    with pytest.raises(PayloadMissing, match="restore the data directory"):
        store.whole(KEY, DIGEST, nothing_kept)
    (tmp_path / KEY.file_name).write_bytes(CONTENT[:-1] + b"\x00")
    with pytest.raises(PayloadDamaged, match="is damaged"):
        store.whole(KEY, DIGEST, nothing_kept)
