"""gRPC ignores an option whose name it does not know, so each of ours must stand in its library."""

from pathlib import Path

import pytest
from grpc._cython import cygrpc

from ridgeway.runtime.channel_options import channel_options, server_options

LIBRARY = Path(cygrpc.__file__).read_bytes()


@pytest.mark.parametrize("name", sorted({name for name, _ in [*server_options(), *channel_options("name")]}))
def test_grpc_knows_the_option(name: str) -> None:
    assert name.encode() + b"\0" in LIBRARY
