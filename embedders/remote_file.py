"""Byte ranges of a file on the hub, over huggingface_hub's own session: its proxies, certificates and login apply."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from huggingface_hub import constants, errors
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

# What fails on the way: sockets and requests raise OSErrors, httpx (from huggingface_hub 1.0 on) its own HTTPError.
TRANSPORT_ERRORS: tuple[type[Exception], ...] = (OSError, errors.HTTPError)

# Enough pieces for a smooth progress bar, few enough for Python.
_PIECE_BYTES = 1 << 20
# Broken connections that one range survives; each must have brought something, so a dead server is noticed at once.
_MOST_ATTEMPTS = 8

_PARTIAL_CONTENT = 206


class CutOff(OSError):
    """A server that sends less than it promised."""


def stream_range(url: str, start: int, stop: int) -> Iterator[bytes]:
    """Bytes `start` up to `stop` of a file, in pieces, going on where a broken connection ended.

    Raises:
        OSError, huggingface_hub.errors.HTTPError: the server refuses, cannot be reached or sends too little.
    """
    position = start
    for attempt in range(_MOST_ATTEMPTS):
        before = position
        try:
            for piece in _one_response(url, position, stop):
                position += len(piece)
                yield piece
        except TRANSPORT_ERRORS:
            if position == before or attempt == _MOST_ATTEMPTS - 1:
                raise
        if position == stop:
            return
        if position == before:
            break
    raise CutOff(f"the server sent {position - start} of {stop - start} bytes")


def _one_response(url: str, start: int, stop: int) -> Iterator[bytes]:
    """What one response has of the range; a server that ignores Range sends all, of which the rest is dropped."""
    # A compressed body would shift every offset.
    headers = {**build_hf_headers(), "Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
    with _get(url, headers) as (response, pieces):
        hf_raise_for_status(response)
        skip, left = 0, stop - start
        if response.status_code != _PARTIAL_CONTENT:
            skip = start
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise CutOff("the server answered with another range than the one asked for")
        for piece in pieces(_PIECE_BYTES):
            wanted = piece[skip : skip + left]
            skip -= min(skip, len(piece))
            left -= len(wanted)
            if wanted:
                yield wanted
            if not left:
                return


@contextmanager
def _get(url: str, headers: dict[str, str]) -> Iterator[tuple[Any, Callable[[int], Iterator[bytes]]]]:
    session = get_session()
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    if callable(session.stream):
        with session.stream("GET", url, headers=headers, timeout=timeout) as response:
            yield response, response.iter_bytes
    else:
        # huggingface_hub before 1.0 has a requests session, where `stream` is a setting.
        with session.get(url, headers=headers, timeout=timeout, stream=True) as response:
            yield response, response.iter_content
