"""Somebody's policy behind a server, for evaluations: the questions of many episodes, each on a connection of its own.

A server keeps an episode's state with the connection. So an episode holds one from its first question to its last,
and what a `PolicyAnswer` carries as its state is that hold: when the evaluation lets go of it, another episode may
have the connection.
"""

import json
import weakref
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from eval_bridge.observations import CAMERAS, STATE_SIZE, Observation
from eval_bridge.policies.interface import FUSED_STAGE, PolicyAnswer, PolicyRequest
from eval_bridge.policies.observation_needs import select_observation
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.serving.client import ConventionSettings, PolicyClient, Wire
from eval_bridge.serving.decoding_details import EXTENSION, EpisodeStartWords
from eval_bridge.serving.harness_client import HarnessClient
from eval_bridge.serving.openpi_client import OpenpiClient
from eval_bridge.serving.openpi_protocol import OPENPI
from eval_bridge.serving.server_address import ServerAddress
from rsd_jax.demos.frames import RENDER_SIZE
from rsd_jax.observation_needs import ObservationNeeds

_AT_ONCE = 32
"""Questions to a server at once, where it does not tell how many rows its batch has."""


class _Hold:
    """An episode's connection."""

    def __init__(self, client: PolicyClient) -> None:
        self.client = client


class RemotePolicy:
    """A policy behind a server (implements `Policy`). A context manager: leaving it ends the connections.

    Attributes:
        decoder: what a server of this project says; of others the protocol.
        batch_size: questions at once.
        observation_needs: both cameras as rendered and the robot's state, of which the server gets what it wants.
    """

    decoder: str
    batch_size: int
    observation_needs = ObservationNeeds(RENDER_SIZE, CAMERAS, STATE_SIZE)

    def __init__(
        self,
        address: ServerAddress,
        conventions: ConventionSettings,
        *,
        batch_size: int = 0,
        token: str = "",
        reply_limit: float = 300.0,
    ) -> None:
        """Connects once, to learn whose policy it is.

        Args:
            address: of the server.
            conventions: as far as they are declared.
            batch_size: questions at once; 0 for as many as the server's policy answers in one call.
            token: to show the server; empty for none.
            reply_limit: seconds within which it must answer.

        Raises:
            PolicyServerError: nobody is there, or speaks another protocol.
            ValueError: the conventions are impossible.
        """
        self._address, self._conventions, self._token = address, conventions, token
        self._reply_limit = reply_limit
        self._clients: list[PolicyClient] = []
        self._free: list[PolicyClient] = []
        first = self._connect()
        self._free.append(first)
        self.conventions, self.metadata = first.conventions, first.metadata
        told = self.metadata.get(EXTENSION, self.metadata)
        self.decoder = str(told.get("decoder") or address.protocol)
        rows = told.get("policy_batch")
        self.batch_size = batch_size or (rows if isinstance(rows, int) and rows > 0 else _AT_ONCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.close()

    @property
    def identity(self) -> dict[str, Any]:
        """What names this policy in records: flat, JSON-serialisable."""
        return {
            "policy.address": self._address.url,
            "policy.protocol": self._address.protocol,
            "policy.metadata": json.dumps(_as_json(self.metadata), sort_keys=True),
            "policy.conventions": json.dumps(self.conventions.to_json(), sort_keys=True),
        }

    def act_batch(self, requests: Mapping[int, PolicyRequest]) -> dict[int, PolicyAnswer]:
        """Asks the server several questions at once, each on the connection of its episode.

        Raises:
            PolicyServerError: the server is gone, does not answer, or says that it failed.
            ValueError: an answer is no chunk, or another than the conventions declare.
        """
        holds = {row: self._hold(row, request) for row, request in requests.items()}
        try:
            for row, request in requests.items():
                holds[row].client.ask(request.observation)
            return {row: PolicyAnswer(hold.client.answer(), hold) for row, hold in holds.items()}
        except BaseException:
            # Answers may still come, and openpi's carry no number: whoever asked next would take them for its own.
            for hold in holds.values():
                hold.client.close()
            raise

    def stage_functions(self, observation: Observation) -> dict[str, Callable[[], object]]:
        """The whole call, as it is seen from here: the server's share and the way there and back."""
        request = PolicyRequest(select_observation(observation, self.observation_needs), episode_key(0, 0, 0))
        return {FUSED_STAGE: lambda: self.act_batch({0: request})[0].output.actions}

    def _hold(self, row: int, request: PolicyRequest) -> _Hold:
        if isinstance(request.state, _Hold):
            return request.state
        client = self._free.pop() if self._free else self._connect()
        hold = _Hold(client)
        weakref.finalize(hold, self._give_back, client).atexit = False
        client.begin(EpisodeStartWords(request.episode, row))
        return hold

    def _give_back(self, client: PolicyClient) -> None:
        if client.is_open:
            self._free.append(client)

    def _connect(self) -> PolicyClient:
        wire = Wire(self._address.url, self._token, self._reply_limit)
        kind = OpenpiClient if self._address.protocol == OPENPI else HarnessClient
        try:
            client: PolicyClient = kind(wire, self._conventions)
        except BaseException:
            wire.close()
            raise
        self._clients.append(client)
        return client


def _as_json(value: Any) -> Any:
    """What a server told, as JSON has it: whatever else it told is described."""
    if isinstance(value, dict):
        return {str(name): _as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
