"""Run one administration call at a coordinator or a peer: through its socket if it runs, on its data otherwise."""

from pathlib import Path
from typing import Any, cast

from ridgeway.cli.handover import is_peer
from ridgeway.proto import rpc


async def administer(
    data_dir: Path, method: rpc.Method[rpc.Request, rpc.Response], request: rpc.Request
) -> rpc.Response:
    """The answer of one call of the Administration service.

    Raises:
        RidgewayError: many kinds, each with a sentence.
    """
    import grpc

    from ridgeway.coordinator.administration import SOCKET
    from ridgeway.coordinator.leading import AnotherLeads
    from ridgeway.coordinator.offline import open_administration
    from ridgeway.runtime.call_metadata import call_metadata
    from ridgeway.runtime.data_dir import DataDirectory
    from ridgeway.runtime.local_socket import connect
    from ridgeway.runtime.remote_errors import translated

    if is_peer(data_dir):
        from ridgeway.peers.handover import administer_peers

        return await administer_peers(data_dir, method, request)
    directory = DataDirectory(data_dir, "coordinator")
    if directory.in_use():
        if not (directory.path / SOCKET).exists():
            raise AnotherLeads(
                f"the coordinator on {data_dir} is starting, or another replica leads; wait, or ask on its machine"
            )
        async with connect(directory.path, SOCKET) as channel:
            try:
                return await rpc.call(channel, method, request, timeout_s=30.0, metadata=call_metadata())
            except grpc.aio.AioRpcError as error:
                raise translated(error, f"the coordinator on {data_dir}") from error
    with open_administration(data_dir) as administration:
        behaviours: dict[Any, Any] = {
            rpc.INVITE: administration.invite,
            rpc.REVOKE: administration.revoke,
            rpc.EVICT: administration.evict,
            rpc.ADMIN_STATUS: administration.get_status,
            rpc.ADMIN_SNAPSHOT: administration.snapshot,
        }
        return cast(rpc.Response, await behaviours[method](request, None))
