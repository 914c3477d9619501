"""A server of openpi's protocol: it speaks first; then every observation gets a chunk, or an error and the end."""

import time
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode

from eval_bridge.serving.array_messages import MessageError, pack_openpi
from eval_bridge.serving.decoding_details import EXTENSION, read_start_words
from eval_bridge.serving.openpi_messages import FIELDS, RESET, chunk_message, read_map, sent_observation
from eval_bridge.serving.service import REQUEST_ERRORS, Service, describe_error, outcome_of
from eval_bridge.serving.sessions import Session

OPENPI = "openpi"
"""Name of the protocol."""


async def serve_openpi(connection: ServerConnection, service: Service) -> None:
    """Serves one client until it goes, makes a mistake, or the server stops."""
    requests, seconds = service.metrics.requests, service.metrics.request_seconds.labels(OPENPI)
    with service.sessions.open() as session:
        await service.send(connection, pack_openpi({"protocol": OPENPI, **service.metadata.to_message()}))
        total_ms: float | None = None
        while (message := await service.next_message(connection)) is not None:
            began = time.perf_counter()
            with service.at_work():
                try:
                    answer = await _answer(message, session, service, total_ms)
                except REQUEST_ERRORS as error:
                    requests.labels(OPENPI, outcome_of(error)).inc()
                    await service.send(connection, describe_error(error))
                    await connection.close(CloseCode.INTERNAL_ERROR, "the frame before this one tells why")
                    return
                await service.send(connection, answer)
            requests.labels(OPENPI, "answered").inc()
            seconds.observe(time.perf_counter() - began)
            total_ms = 1e3 * (time.perf_counter() - began)


async def _answer(message: bytes | str, session: Session, service: Service, total_ms: float | None) -> bytes:
    began = time.perf_counter()
    content = read_map(message)
    words = content.get(EXTENSION)
    _begin(content.get(RESET), words, session, service)
    output = await session.act(await service.read(sent_observation(content), FIELDS))
    infer_ms = 1e3 * (time.perf_counter() - began)
    return chunk_message(output, with_details=words is not None, infer_ms=infer_ms, prev_total_ms=total_ms)


def _begin(resets: Any, words: Any, session: Session, service: Service) -> None:
    """Whether an episode begins; of a client that does not say, any chunk may be an episode's first."""
    if resets is None:
        session.forget()
    elif not isinstance(resets, bool):
        raise MessageError(f"{RESET} is {resets!r}; it must be true for an episode's first observation, else false")
    elif resets:
        session.begin(read_start_words(words, service.metadata.policy_batch))
