"""What a connection to somebody's policy does, whatever protocol it speaks."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.sync.client import connect

from eval_bridge.policies.interface import PolicyOutput
from eval_bridge.policies.observation_needs import PolicyObservation
from eval_bridge.serving.conventions import WireConventions
from eval_bridge.serving.decoding_details import EpisodeStartWords

_LARGEST_ANSWER = 64 * 2**20  # bytes


class PolicyServerError(ConnectionError):
    """A policy's server cannot be reached, is gone, does not answer, or answers that it failed."""


@dataclass(frozen=True)
class ConventionSettings:
    """The conventions of a server as far as a configuration declares them; the fields are those of `WireConventions`.

    What is left at its default is as the server tells, and if it tells nothing, as the protocol's LIBERO has it.
    """

    image_size: int = 0
    image_rotation: int = -1
    state_layout: str = ""
    gripper: str = ""
    chunk_length: int = 0
    actions_executed: int = 0

    def resolved(self, told: Mapping[str, Any], usual: WireConventions) -> WireConventions:
        """The conventions to keep to, given those that the server `told`, and those of the protocol.

        Raises:
            ValueError: they are impossible, or contradict each other.
        """
        defaults = {field.name: field.default for field in fields(self)}
        declared = {name: value for name, value in vars(self).items() if value != defaults[name]}
        return WireConventions(**{**usual.to_json(), **told, **declared})


class PolicyClient(Protocol):
    """One connection, which serves one episode at a time.

    Attributes:
        metadata: that the server told. conventions: that it is spoken to by. is_open: whether it can be asked.
    """

    metadata: dict[str, Any]
    conventions: WireConventions
    is_open: bool

    def begin(self, words: EpisodeStartWords) -> None:
        """The next observation is the first of an episode; servers of this project are told its `words`."""
        ...

    def ask(self, observation: PolicyObservation) -> None:
        """Sends an observation of both cameras; raises `PolicyServerError`."""
        ...

    def answer(self) -> PolicyOutput:
        """The chunk for the last observation; raises `PolicyServerError`, or ValueError for one that is none."""
        ...

    def close(self) -> None:
        """Ends the connection. May be called twice."""
        ...


class Wire:
    """A websocket to a server, whose troubles are all `PolicyServerError`."""

    def __init__(self, url: str, token: str, reply_limit: float) -> None:
        """Connects.

        Args:
            url: of the server.
            token: to show it; empty for none.
            reply_limit: seconds within which it must answer; of a server that compiles at its first call, minutes.

        Raises:
            PolicyServerError: nobody is there, or the server refuses.
        """
        self._url, self._reply_limit = url, reply_limit
        self._use = contextlib.ExitStack()
        with self._troubles():
            self._socket = self._use.enter_context(
                connect(
                    url,
                    compression=None,
                    additional_headers={"Authorization": f"Api-Key {token}"} if token else None,
                    max_size=_LARGEST_ANSWER,
                    proxy=None,
                    open_timeout=self._reply_limit,
                    # Servers that block while they infer answer no ping: `reply_limit` tells that one hangs.
                    ping_interval=None,
                )
            )

    def send(self, message: bytes) -> None:
        """Sends a message; raises `PolicyServerError`."""
        with self._troubles():
            self._socket.send(message)

    def receive(self) -> bytes | str:
        """The server's next message; raises `PolicyServerError`."""
        with self._troubles():
            return self._socket.recv(timeout=self._reply_limit)

    def close(self) -> None:
        """Ends the connection. May be called twice."""
        self._use.close()

    @contextlib.contextmanager
    def _troubles(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            self.close()
            raise PolicyServerError(
                f"{self._url} did not answer within {self._reply_limit:g} s; look at the server, or raise "
                "policy_reply_limit if it needs longer"
            ) from error
        except ConnectionClosed as error:
            raise PolicyServerError(f"{self._url} ended the connection ({error}); look at the server's log") from error
        except InvalidHandshake as error:
            raise PolicyServerError(
                f"{self._url} refuses to be connected ({error}{_reason(error)}); a server with a token wants it in "
                "RSD_SERVE_TOKEN"
            ) from error
        except (OSError, WebSocketException) as error:
            raise PolicyServerError(f"{self._url} cannot be reached ({error}); start the server first") from error


def _reason(error: InvalidHandshake) -> str:
    """What the server says of its refusal, if it says anything short."""
    body = error.response.body if isinstance(error, InvalidStatus) else None
    said = bytes(body or b"").decode(errors="replace").strip()
    return f": {said}" if 0 < len(said) <= 200 else ""
