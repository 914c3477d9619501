"""What both protocols share while they serve a client: reading, sending, counting, and stopping in good order."""

import asyncio
import contextlib
from collections.abc import Iterator

import numpy as np
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from eval_bridge.policies.observation_needs import PolicyObservation
from eval_bridge.serving.array_messages import MessageError
from eval_bridge.serving.batching import PolicyFailedError, TooLateError
from eval_bridge.serving.metadata import ServedMetadata
from eval_bridge.serving.metrics import ServerMetrics
from eval_bridge.serving.sent_observation import FieldNames, ObservationReader, SentObservation
from eval_bridge.serving.sessions import Sessions

REQUEST_ERRORS = (MessageError, TooLateError, PolicyFailedError)
"""What can be wrong with a request, or with its answer; a client is told by `describe_error`."""

_LONGEST_TEXT = 1000  # characters; what a client sent is quoted, and may be megabytes

_OUTCOMES = {MessageError: "refused", TooLateError: "late", PolicyFailedError: "failed"}


class Service:
    """One policy and its clients, whatever protocol they speak.

    Attributes:
        sessions: of the clients. reader: of what they send. metadata: that they are told. metrics: of all of them.
        is_draining: whether no new request is taken any more.
    """

    def __init__(
        self,
        sessions: Sessions,
        reader: ObservationReader,
        metadata: ServedMetadata,
        metrics: ServerMetrics,
        send_limit: float,
    ) -> None:
        """Nobody is served yet; a client that takes no bytes for `send_limit` seconds is dropped."""
        self.sessions, self.reader, self.metadata, self.metrics = sessions, reader, metadata, metrics
        self._send_limit = send_limit
        self.is_draining = False
        self._at_work = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    async def next_message(self, connection: ServerConnection) -> bytes | str | None:
        """What the client says next; None once it is gone, or shall go because the server stops."""
        try:
            message = None if self.is_draining else await connection.recv()
        except ConnectionClosed:
            return None
        if self.is_draining:  # perhaps since the client began to be waited for
            await connection.close(CloseCode.GOING_AWAY, "the server stops")
            return None
        return message

    async def send(self, connection: ServerConnection, message: bytes | str) -> None:
        """Sends a message; a client that is gone, or does not read, is left alone."""
        try:
            async with asyncio.timeout(self._send_limit):
                await connection.send(message)
        except ConnectionClosed:
            return
        except TimeoutError:
            connection.transport.abort()

    async def read(self, sent: SentObservation, names: FieldNames) -> PolicyObservation:
        """The observation that a client sent; images that take time are decoded elsewhere, while others are served.

        Raises:
            MessageError: it is none.
        """
        size = self.reader.conventions.image_size
        if all(isinstance(frame, np.ndarray) and frame.shape[:1] == (size,) for frame in sent.frames):
            return self.reader.read(sent, names)
        return await asyncio.to_thread(self.reader.read, sent, names)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """While a request is taken, answered and sent: what a server that stops waits for."""
        self._at_work += 1
        self._is_idle.clear()
        try:
            yield
        finally:
            self._at_work -= 1
            if not self._at_work:
                self._is_idle.set()

    async def drain(self) -> None:
        """Takes no new request and waits for those that were taken."""
        self.is_draining = True
        await self._is_idle.wait()


def outcome_of(error: Exception) -> str:
    """How `ServerMetrics.requests` counts one of `REQUEST_ERRORS`."""
    return next(outcome for kind, outcome in _OUTCOMES.items() if isinstance(error, kind))


def describe_error(error: Exception) -> str:
    """One of `REQUEST_ERRORS` for a client: without a traceback, whose paths are nobody's business."""
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ..."
