"""Who may connect, where, and what is answered over plain HTTP: health and metrics."""

import base64
import hmac
import json
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import NamedTuple

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from eval_bridge.serving.harness_protocol import HARNESS
from eval_bridge.serving.openpi_protocol import OPENPI
from eval_bridge.serving.service import Service

PROTOCOL_PATHS: Mapping[str, str] = {"/openpi": OPENPI, "/harness": HARNESS}
"""Paths of a websocket's address that name a protocol; the path ``/`` is the port's own."""

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Admission(NamedTuple):
    """Decides on every request for a connection.

    Attributes:
        service: that clients want.
        protocols: that are spoken here.
        max_clients: at a time, on all ports together.
        token: that clients must show; empty for none.
    """

    service: Service
    protocols: Collection[str]
    max_clients: int
    token: str

    def process_request(self, connection: ServerConnection, request: Request, connected: int) -> Response | None:
        """What is answered over HTTP; None where a client may connect, of whom there are so many already."""
        path = request.path.partition("?")[0]
        if path in ("/healthz", "/health"):
            return self._health(connection, path)
        if path == "/metrics":
            return _typed(connection.respond(HTTPStatus.OK, self.service.metrics.text()), _PROMETHEUS)
        spoken = [place for place, protocol in PROTOCOL_PATHS.items() if protocol in self.protocols]
        if path != "/" and path not in spoken:
            paths = ", ".join(("/", *spoken, "/healthz", "/health", "/metrics"))
            return self._turn_away(connection, HTTPStatus.NOT_FOUND, "path", f"there is only {paths}")
        if self.token and not hmac.compare_digest(_as_bytes(shown_token(request.headers)), _as_bytes(self.token)):
            text = "show the server's token: Authorization: Api-Key TOKEN, or ws://any:TOKEN@HOST:PORT"
            return self._turn_away(connection, HTTPStatus.UNAUTHORIZED, "token", text)
        if self.service.is_draining:
            return self._turn_away(connection, HTTPStatus.SERVICE_UNAVAILABLE, "draining", "the server stops")
        if connected >= self.max_clients:
            text = f"{connected} clients are connected, which is all that --config.limits.max_clients allows"
            return self._turn_away(connection, HTTPStatus.SERVICE_UNAVAILABLE, "full", text)
        return None

    def _health(self, connection: ServerConnection, path: str) -> Response:
        """As openpi has it at ``/healthz``, and vla-evaluation-harness at ``/health``."""
        if self.service.is_draining:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "the server stops\n")
        if path == "/healthz":
            return connection.respond(HTTPStatus.OK, "OK\n")
        return _typed(connection.respond(HTTPStatus.OK, json.dumps({"status": "ok"}) + "\n"), "application/json")

    def _turn_away(self, connection: ServerConnection, status: HTTPStatus, reason: str, text: str) -> Response:
        self.service.metrics.turned_away.labels(reason).inc()
        return connection.respond(status, f"{text}\n")


def shown_token(headers: Headers) -> str:
    """The token in ``Authorization``, as an Api-Key (openpi's clients), a bearer's, or a password; else empty."""
    authorizations = headers.get_all("Authorization")
    if len(authorizations) != 1:
        return ""
    scheme, _, shown = authorizations[0].partition(" ")
    if scheme.lower() != "basic":
        return shown.strip()
    try:
        return base64.b64decode(shown, validate=True).decode().partition(":")[2]
    except ValueError:  # no base64, or no text
        return ""


def _as_bytes(token: str) -> bytes:
    """For the comparison, which takes no text; headers may hold surrogates in place of bytes that are none."""
    return token.encode("utf-8", "surrogateescape")


def _typed(response: Response, content_type: str) -> Response:
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = content_type
    return response
