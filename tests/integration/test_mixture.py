"""Hundreds of connections that each do something else, all at once: every byte arrives, every end is
the end that was meant.

    clients -> shop --tunnel--> mysql -> a server that does what the first line asks for
"""

import asyncio
import hashlib
import random
import socket
import struct

import pytest

from support.environment import SANITIZED, SLOW

CONNECTIONS = 150 if SANITIZED else 400
AT_ONCE = 60
LARGEST = 1 << 20
PATIENCE = 60 * SLOW

ENDS = (ConnectionResetError, BrokenPipeError)


def _data(seed, size):
    return random.Random(seed).randbytes(size)


def _reset(writer):
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    writer.transport.abort()


async def _send(writer, data, dice):
    """In pieces of all sizes, with and without pauses."""
    at = 0
    while at < len(data):
        size = dice.choice((1, 100, 5000, 16384, 65536, 300000))
        writer.write(data[at : at + size])
        at += size
        await writer.drain()
        if dice.random() < 0.05:
            await asyncio.sleep(dice.random() * 0.02)


async def _receive(reader, size, dice):
    """Everything up to the FIN; a reset is raised."""
    data = bytearray()
    while piece := await reader.read(dice.choice((10, 4096, 65536, 1 << 20))):
        data += piece
        if dice.random() < 0.02:
            await asyncio.sleep(dice.random() * 0.05)
    assert len(data) == size, f"{len(data)} bytes of {size}, then a FIN"
    return bytes(data)


class _Upload:
    """The client sends all and shuts its side; the server answers with a checksum."""

    @staticmethod
    async def server(reader, writer, seed, size, dice):
        writer.write(hashlib.sha256(await _receive(reader, size, dice)).digest())
        writer.write_eof()

    @staticmethod
    async def client(reader, writer, seed, size, dice):
        await _send(writer, _data(seed, size), dice)
        writer.write_eof()
        assert await _receive(reader, 32, dice) == hashlib.sha256(_data(seed, size)).digest()


class _Download:
    """The client shuts its side at once; the server sends all."""

    @staticmethod
    async def server(reader, writer, seed, size, dice):
        assert await reader.read() == b""
        await _send(writer, _data(seed, size), dice)
        writer.write_eof()

    @staticmethod
    async def client(reader, writer, seed, size, dice):
        writer.write_eof()
        assert await _receive(reader, size, dice) == _data(seed, size)


class _Both:
    """Both send at the same time, and shut their side when they have done so."""

    @staticmethod
    async def server(reader, writer, seed, size, dice):
        async def send():
            await _send(writer, _data(seed + 1, size // 2), dice)
            writer.write_eof()

        _, data = await asyncio.gather(send(), _receive(reader, size, dice))
        assert data == _data(seed, size)

    @staticmethod
    async def client(reader, writer, seed, size, dice):
        async def send():
            await _send(writer, _data(seed, size), dice)
            writer.write_eof()

        _, data = await asyncio.gather(send(), _receive(reader, size // 2, dice))
        assert data == _data(seed + 1, size // 2)


class _Echo:
    """Line by line, so to speak."""

    @staticmethod
    async def server(reader, writer, seed, size, dice):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()

    @staticmethod
    async def client(reader, writer, seed, size, dice):
        data = _data(seed, size)
        at = 0
        while at < size:
            piece = data[at : at + dice.choice((1, 77, 3000, 20000, 100000))]
            writer.write(piece)
            assert await reader.readexactly(len(piece)) == piece
            at += len(piece)
        writer.write_eof()
        assert await reader.read() == b""


class _ClientResets:
    """In the middle of what it sends: the server never sees a FIN."""

    @staticmethod
    async def server(reader, writer, seed, size, dice):
        with pytest.raises(ENDS):
            await _receive(reader, -1, dice)

    @staticmethod
    async def client(reader, writer, seed, size, dice):
        await _send(writer, _data(seed, size), dice)
        await asyncio.sleep(dice.random() * 0.05)
        _reset(writer)


class _ServerResets:
    """In the middle of what it sends: the client never sees a FIN."""

    @staticmethod
    async def server(reader, writer, seed, size, dice):
        await _send(writer, _data(seed, size), dice)
        await asyncio.sleep(dice.random() * 0.05)
        _reset(writer)

    @staticmethod
    async def client(reader, writer, seed, size, dice):
        with pytest.raises(ENDS):
            await _receive(reader, -1, dice)


KINDS = (_Upload, _Download, _Both, _Echo, _ClientResets, _ServerResets)


class _Mixture:
    def __init__(self, mesh, port):
        self._mesh = mesh
        self._port = port
        self._failures = []
        self._finished = 0

    async def run(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=1000)
        gate = asyncio.Semaphore(AT_ONCE)
        async with server:
            await asyncio.to_thread(self._mesh.start)
            await asyncio.gather(*(self._connect(gate, seed) for seed in range(CONNECTIONS)))
            await asyncio.wait_for(self._all_served(), PATIENCE)
        assert not self._failures, self._failures[:5]

    async def _all_served(self):
        while self._finished < CONNECTIONS and not self._failures:
            await asyncio.sleep(0.01)

    async def _guarded(self, what, seed, side, writer):
        try:
            await asyncio.wait_for(what, PATIENCE)
        except BaseException as error:
            self._failures.append((KINDS[seed % len(KINDS)].__name__, seed, side, repr(error)))
        finally:
            writer.close()

    async def _connect(self, gate, seed):
        dice = random.Random(seed)
        size = dice.choice((0, 1, 1000, 16375, 16376, 65536, 200000, LARGEST))
        async with gate:
            await asyncio.sleep(dice.random() * 0.1)
            reader, writer = await asyncio.open_connection("127.0.0.1", self._mesh.port)
            writer.write(b"%d %d\n" % (seed, size))
            kind = KINDS[seed % len(KINDS)]
            work = kind.client(reader, writer, seed, size, dice)
            await self._guarded(work, seed, "client", writer)

    async def _serve(self, reader, writer):
        first = await reader.readline()
        if not first:  # a probe
            writer.close()
            return
        seed, size = map(int, first.split())
        dice = random.Random(-seed)
        kind = KINDS[seed % len(KINDS)]
        await self._guarded(kind.server(reader, writer, seed, size, dice), seed, "server", writer)
        self._finished += 1


@pytest.mark.limit(180)
@pytest.mark.parametrize("workers", [1, 2])
def test_every_byte_arrives_and_every_end_is_the_one_meant(lab, workers):
    port = lab.port()
    mesh = lab.mesh(port, workers=workers, start=False)
    asyncio.run(_Mixture(mesh, port).run())
    mesh.wait_idle()
