"""Websockets without a library, which would keep us from doing it wrong."""

import contextlib
import random
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit


def send_raw(address: str, frames: list[bytes], rng: random.Random) -> None:
    """Connects as a websocket does, sends frames as they are, and listens or not."""
    place = urlsplit(address)
    with connected(address) as connection:
        send(
            connection,
            f"GET {place.path or '/'} HTTP/1.1\r\nHost: {place.netloc}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode(),
        )
        with contextlib.suppress(OSError):
            connection.recv(4096)
        for each in frames:
            send(connection, each)
        listen(connection, rng)


def frame(
    opcode: int,
    payload: bytes,
    *,
    final: bool = True,
    masked: bool = True,
    reserved: int = 0,
    claimed: int | None = None,
) -> bytes:
    """A frame, right or wrong in every bit."""
    length = len(payload) if claimed is None else claimed
    first = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    mask = 0x80 if masked else 0
    if length < 126:
        head = bytes([mask | length])
    elif length < 2**16:
        head = bytes([mask | 126]) + length.to_bytes(2)
    else:
        head = bytes([mask | 127]) + length.to_bytes(8)
    return first + head + (bytes(4) if masked else b"") + payload  # masked by zeros


@contextlib.contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    """A plain connection to where a server listens."""
    place = urlsplit(address)
    with contextlib.closing(socket.create_connection((place.hostname, place.port), timeout=5)) as connection:
        yield connection


def send(connection: socket.socket, content: bytes) -> None:
    """Sends as much as the server takes."""
    with contextlib.suppress(OSError):  # the server has had enough
        connection.sendall(content)


def listen(connection: socket.socket, rng: random.Random) -> None:
    """Half of the clients hear what the server says to it; the others are gone at once, without a word."""
    if rng.random() < 0.5:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
        return
    connection.settimeout(0.2)
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            pass
