"""A policy behind both protocols: ports, limits, and an end in good order."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from eval_bridge.policies.interface import PolicyRequest
from eval_bridge.policies.observation_needs import blank_observation
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.serving.admission import PROTOCOL_PATHS, Admission
from eval_bridge.serving.batching import Batcher, ServedPolicy
from eval_bridge.serving.conventions import WireConventions
from eval_bridge.serving.harness_protocol import HARNESS, serve_harness
from eval_bridge.serving.metadata import ServedMetadata
from eval_bridge.serving.metrics import ServerMetrics
from eval_bridge.serving.openpi_protocol import OPENPI, serve_openpi
from eval_bridge.serving.sent_observation import ObservationReader
from eval_bridge.serving.service import Service
from eval_bridge.serving.sessions import Sessions
from eval_bridge.serving.settings import ServingSettings

_HANDLERS = {OPENPI: serve_openpi, HARNESS: serve_harness}
_CLOSING_SECONDS = 2.0
_TURNS = 3  # of the loop, after which a connection that was being accepted is there
_QUEUED_FRAMES = 1  # of a client that sends before it is answered; beyond, it waits

_LOGGER = logging.getLogger(__name__)

# Whoever sends nonsense must not fill the log with it; what fails on our side is told by `_LOGGER`.
_QUIET = logging.getLogger(f"{__name__}.connections")
_QUIET.setLevel(logging.CRITICAL)


class RunningServer(NamedTuple):
    """A server that takes clients.

    Attributes:
        addresses: by protocol, ``ws://HOST:PORT/``, and where one port serves both, the path too.
        service: behind all of them.
    """

    addresses: Mapping[str, str]
    service: Service


def compile_policy(policy: ServedPolicy) -> int:
    """Calls the policy once, so that no client waits for compilation; returns the actions of a chunk."""
    seen = blank_observation(policy.observation_needs, "compile")
    answer = policy.act_batch({0: PolicyRequest(seen, episode_key(0, 0, 0))})[0]
    return len(answer.output.actions)


@contextlib.asynccontextmanager
async def running_server(
    policy: ServedPolicy,
    settings: ServingSettings,
    describe: Callable[[WireConventions], ServedMetadata],
    token: str = "",
) -> AsyncIterator[RunningServer]:
    """Serves `policy` as long as it is open; then finishes what clients have asked for, and sends them away.

    Args:
        policy: what acts; called here once.
        settings: where and how.
        describe: gives what clients are told, from the conventions that they have to keep.
        token: that clients must show; empty for none.

    Raises:
        ValueError: `settings.actions_executed` are more than a chunk has, or no header can hold the token.
        OSError: a port cannot be had.
    """
    if not token.isascii() or not token.isprintable() or token != token.strip():
        raise ValueError(
            "RSD_SERVE_TOKEN must be printable ASCII, without blanks around it: headers hold nothing else"
        )
    conventions = WireConventions(chunk_length=compile_policy(policy), actions_executed=settings.actions_executed)
    limits, metrics = settings.limits, ServerMetrics()
    reader = ObservationReader(policy.observation_needs, conventions, settings.resizes_images)
    async with contextlib.AsyncExitStack() as stack:
        batcher = Batcher(policy, metrics, limits.request_deadline, settings.batch_wait)
        await stack.enter_async_context(batcher)
        sessions = Sessions(policy, batcher, settings.seed)
        service = Service(sessions, reader, describe(conventions), metrics, limits.request_deadline)
        listener = _Listener(Admission(service, settings.protocol_ports, limits.max_clients, token), settings)
        try:
            addresses = await listener.open()
            yield RunningServer(addresses, service)
            await service.drain()
        finally:
            await listener.close()


async def serve_until_stopped(
    policy: ServedPolicy,
    settings: ServingSettings,
    describe: Callable[[WireConventions], ServedMetadata],
    on_ready: Callable[[Mapping[str, str]], None],
    token: str = "",
) -> None:
    """Serves `policy` until SIGTERM or SIGINT; `on_ready` is told the addresses. Otherwise as `running_server`."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if not settings.is_local and not token:
        _LOGGER.warning("%s is open to other machines, and nobody needs a token: set RSD_SERVE_TOKEN", settings.host)
    async with running_server(policy, settings, describe, token) as server:
        on_ready(server.addresses)
        await stop.wait()
        _LOGGER.info("stopping: requests in flight are answered, then clients are sent away")


class _Listener:
    """The ports of a server, and who is connected."""

    def __init__(self, admission: Admission, settings: ServingSettings) -> None:
        self._admission, self._settings = admission, settings
        self._servers: list[Server] = []
        self._connected = 0
        self._connections: set[ServerConnection] = set()

    async def open(self) -> dict[str, str]:
        """Opens the ports; returns the address of each protocol."""
        paths = {protocol: path for path, protocol in PROTOCOL_PATHS.items()}
        addresses: dict[str, str] = {}
        ports: dict[int, int] = {}  # asked for -> opened
        for protocol, port in self._settings.protocol_ports.items():
            is_shared = port in ports and port != 0
            opened = ports[port] if is_shared else await self._listen(protocol, port)
            ports[port] = opened
            host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
            addresses[protocol] = f"ws://{host}:{opened}{paths[protocol] if is_shared else '/'}"
        return addresses

    async def close(self) -> None:
        """Sends all clients away, 1001, and frees the ports."""
        for server in self._servers:
            for listening in server.sockets:
                asyncio.get_running_loop().remove_reader(listening)
        for _ in range(_TURNS):  # a socket that is accepted while its server closes would stay open for ever
            await asyncio.sleep(0)
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            if connection.request is None:  # it has not spoken yet, and would be waited for
                connection.transport.abort()
        for server in self._servers:
            await server.wait_closed()
        # Connections that end by themselves are waited for by asyncio itself, but not by that of Python 3.11.
        closing = [asyncio.ensure_future(connection.wait_closed()) for connection in self._connections]
        if closing:
            await asyncio.wait(closing, timeout=_CLOSING_SECONDS)
        for connection in tuple(self._connections):
            connection.transport.abort()
            await connection.wait_closed()

    async def _listen(self, protocol: str, port: int) -> int:
        limits = self._settings.limits

        def process_request(connection: ServerConnection, request: Request) -> Response | None:
            return self._admission.process_request(connection, request, self._connected)

        async def handle(connection: ServerConnection) -> None:
            assert connection.request is not None
            spoken = PROTOCOL_PATHS.get(connection.request.path.partition("?")[0], protocol)
            clients = self._admission.service.metrics.clients.labels(spoken)
            self._connected += 1
            clients.inc()
            try:
                await _HANDLERS[spoken](connection, self._admission.service)
            except Exception:
                _LOGGER.exception("serving a client of %s failed", spoken)
                raise
            finally:
                clients.dec()
                self._connected -= 1

        connections = self._connections

        class Connection(ServerConnection):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                connections.add(self)
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                connections.discard(self)

        server = await serve(
            handle,
            self._settings.host,
            port,
            create_connection=Connection,
            process_request=process_request,
            origins=[None],  # browsers name the page that connects: no page may, not even to one's own machine
            compression=None,
            max_size=limits.max_frame_bytes,
            max_queue=_QUEUED_FRAMES,
            ping_timeout=limits.silence_limit,
            close_timeout=_CLOSING_SECONDS,
            server_header=None,
            logger=_QUIET,
        )
        self._servers.append(server)
        opened: int = server.sockets[0].getsockname()[1]
        return opened
