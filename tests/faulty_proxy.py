"""A TCP proxy that cuts, slows, corrupts and swallows what goes through it."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field

PIECE_BYTES = 16 * 1024
SLOW_BYTES_PER_S = 40_000
# One piece in so many is damaged while it corrupts; TLS then ends the connection.
CORRUPT_ONE_IN = 5


@dataclass
class FaultyProxy:
    """One listening address and where it leads.

    Attributes:
        target: HOST and port behind it.
        fault: "" passes everything on; "slow", "corrupt", "swallow".
    """

    target: tuple[str, int]
    draw: random.Random
    fault: str = ""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> None:
        """Begin."""
        self._server = await asyncio.start_server(self._serve, host, port)

    async def close(self) -> None:
        """End, with every connection."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.sleep(0)

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        try:
            ways = [self._pump(reader, far_writer), self._pump(far_reader, writer)]
            tasks = [asyncio.create_task(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._writers -= both
            for end in both:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                while self.fault == "swallow":  # noqa: ASYNC110 - until somebody mends it
                    await asyncio.sleep(0.05)
                if self.fault == "slow":
                    await asyncio.sleep(len(data) / SLOW_BYTES_PER_S)
                if self.fault == "corrupt" and self.draw.randrange(CORRUPT_ONE_IN) == 0:
                    place = self.draw.randrange(len(data))
                    data = data[:place] + bytes([data[place] ^ 1 << self.draw.randrange(8)]) + data[place + 1 :]
                writer.write(data)
                await writer.drain()
