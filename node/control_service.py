"""The NodeControl service: join, leave and status of a running daemon, over the socket in its data directory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress

import grpc

from ridgeway.node.agent import Agent
from ridgeway.node.delivery import OnProgress
from ridgeway.node.snapshot import take
from ridgeway.proto import messages as m
from ridgeway.proto import rpc

SOCKET = "node.sock"
# News that a slow reader has not taken is dropped, the oldest first: a progress bar needs no more.
NEWS_HELD = 1024


class ControlService:
    """Lets the owner's commands act through the daemon."""

    def __init__(self, agent: Agent, status: Callable[[], m.NodeStatus]) -> None:
        self._agent = agent
        self._status = status

    def handlers(self) -> grpc.GenericRpcHandler:
        """What the server registers."""
        return rpc.handlers(
            rpc.NODE_CONTROL,
            {
                rpc.NODE_JOIN: self.join,
                rpc.NODE_LEAVE: self.leave,
                rpc.NODE_STATUS: self.get_status,
                rpc.NODE_SNAPSHOT: self.snapshot,
            },
        )

    async def join(self, request: m.JoinRequest, _: grpc.aio.ServicerContext) -> AsyncIterator[m.Progress]:
        """Enrol and contribute."""
        async for news in _told(lambda on_progress: self._agent.join(request, on_progress)):
            yield news

    async def leave(self, request: m.LeaveRequest, _: grpc.aio.ServicerContext) -> AsyncIterator[m.Progress]:
        """Withdraw a domain or everything."""
        async for news in _told(lambda on_progress: self._agent.leave(request.domain, on_progress)):
            yield news

    async def get_status(self, _: m.GetNodeStatusRequest, __: grpc.aio.ServicerContext) -> m.NodeStatus:
        """The node as it sees itself."""
        return self._status()

    async def snapshot(self, _: m.SnapshotRequest, __: grpc.aio.ServicerContext) -> m.SnapshotResponse:
        """Copy what a backup needs. On the event loop, where all of the state's changes are made, so between two."""
        return m.SnapshotResponse(take(self._agent.directory, self._agent.state))


async def _told(run: Callable[[OnProgress], Coroutine[None, None, None]]) -> AsyncIterator[m.Progress]:
    """Run something that tells its progress from any thread, and give the news out one by one.

    What runs is cancelled when nobody listens any more.
    """
    loop = asyncio.get_running_loop()
    news: asyncio.Queue[m.Progress | None] = asyncio.Queue(NEWS_HELD)

    def put(item: m.Progress | None) -> None:
        if news.full():
            news.get_nowait()
        news.put_nowait(item)

    def tell(item: m.Progress) -> None:
        loop.call_soon_threadsafe(put, item)

    task = asyncio.create_task(run(tell))
    # Through the loop's queue, so that it comes after everything that was told before.
    task.add_done_callback(lambda _: loop.call_soon(put, None))
    try:
        while (item := await news.get()) is not None:
            yield item
        await task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
