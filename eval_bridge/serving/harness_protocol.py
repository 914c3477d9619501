"""A server of vla-evaluation-harness's protocol: the client speaks first, and every observation gets one action.

The chunk is the server's: as long as it lasts, observations are not looked at, nor are their images decoded.
"""

import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode

from eval_bridge.serving.array_messages import MessageError
from eval_bridge.serving.decoding_details import EXTENSION, details_of, read_start_words
from eval_bridge.serving.harness_messages import (
    ACTION,
    EPISODE_END,
    EPISODE_START,
    ERROR,
    FIELDS,
    HELLO,
    OBSERVATION,
    PROTOCOL_VERSION,
    HarnessMessage,
    read_message,
    sent_observation,
)
from eval_bridge.serving.service import REQUEST_ERRORS, Service, describe_error, outcome_of
from eval_bridge.serving.sessions import Session

HARNESS = "harness"
"""Name of the protocol."""

_UNIT = [-1.0, 1.0]
_ACTION_SPEC = {
    "position": {"name": "position", "dims": 3, "format": "delta_xyz", "range": _UNIT},
    "rotation": {"name": "rotation", "dims": 3, "format": "axis_angle", "range": [-3.15, 3.15]},
    "gripper": {"name": "gripper", "dims": 1, "format": "binary_close_positive", "range": _UNIT},
}
_IMAGE_SPEC = {"name": "image", "dims": 0, "format": "rgb_hwc_uint8"}
_STATE_SPEC = {"name": "state", "dims": 8, "format": "eef_pos3_axisangle3_gripper2"}
_LANGUAGE_SPEC = {"name": "language", "dims": 0, "format": "language"}


async def serve_harness(connection: ServerConnection, service: Service) -> None:
    """Serves one client until it goes, sends what is no message, or the server stops."""
    with service.sessions.open() as session:
        client = _Client(session, service)
        while (message := await service.next_message(connection)) is not None:
            with service.at_work():
                try:
                    received = read_message(message)
                    answer = await client.answer(received)
                except MessageError as error:
                    service.metrics.requests.labels(HARNESS, outcome_of(error)).inc()
                    await service.send(connection, _error(0, describe_error(error)).packed())
                    await connection.close(CloseCode.INTERNAL_ERROR, "the frame before this one tells why")
                    return
                if answer is not None:
                    await service.send(connection, answer.packed())


class _Client:
    """One client's episode: what is left of the chunk, and what it is told with it."""

    def __init__(self, session: Session, service: Service) -> None:
        self._session, self._service = session, service
        self._actions: deque[NDArray[np.float32]] = deque()
        self._wants_details = False

    async def answer(self, message: HarnessMessage) -> HarnessMessage | None:
        """What a message is answered; None for nothing.

        Raises:
            MessageError: the client does not speak this protocol.
        """
        if message.kind == HELLO:
            return self._hello(message)
        if message.kind == OBSERVATION:
            return await self._act(message)
        if message.kind == EPISODE_START:
            return self._begin(message)
        if message.kind == EPISODE_END:
            self._actions.clear()
        return None  # what a client tells of its own errors is its own affair

    def _hello(self, message: HarnessMessage) -> HarnessMessage:
        version = message.payload.get("protocol_version")
        if type(version) is not int or version != PROTOCOL_VERSION:  # an array would compare element by element
            raise MessageError(f"protocol_version is {version!r}; this server speaks {PROTOCOL_VERSION}")
        return HarnessMessage(HELLO, hello_payload(self._service), message.number)

    def _begin(self, message: HarnessMessage) -> HarnessMessage | None:
        self._actions.clear()
        words = message.payload.get(EXTENSION)
        self._wants_details = words is not None
        try:
            self._session.begin(read_start_words(words, self._service.metadata.policy_batch))
        except MessageError as error:
            return _error(message.number, f"episode_start_failed: {describe_error(error)}")
        return None

    async def _act(self, message: HarnessMessage) -> HarnessMessage:
        requests = self._service.metrics.requests
        payload: dict[str, Any] = {}
        outcome = "buffered"
        if not self._actions:
            began = time.perf_counter()
            try:
                seen = await self._service.read(sent_observation(message.payload), FIELDS)
                output = await self._session.act(seen)
            except REQUEST_ERRORS as error:
                requests.labels(HARNESS, outcome_of(error)).inc()
                return _error(message.number, f"observation_failed: {describe_error(error)}")
            self._actions.extend(output.actions[: self._service.metadata.conventions.actions_executed or None])
            if self._wants_details:
                payload[EXTENSION] = details_of(output)
            self._service.metrics.request_seconds.labels(HARNESS).observe(time.perf_counter() - began)
            outcome = "answered"
        requests.labels(HARNESS, outcome).inc()
        return HarnessMessage(ACTION, {"actions": self._actions.popleft(), **payload}, message.number)


def hello_payload(service: Service) -> dict[str, Any]:
    """What the server says of itself, so that a benchmark sends what the policy needs.

    ``quat_no_antipodal`` and ``env_seed`` are what the harness's LIBERO asks of OpenVLA-OFT's checkpoints: the same
    state and the same poses of furniture as in this project's own evaluation.
    """
    metadata, needs = service.metadata, service.reader.needs
    cameras = dict.fromkeys(needs.cameras, _IMAGE_SPEC)
    return {
        "harness_version": f"rsd_jax {metadata.version}",
        "protocol_version": PROTOCOL_VERSION,
        "model_server": f"rsd_jax {metadata.decoder}",
        "capabilities": {},
        "observation_params": {
            "send_wrist_image": "wrist" in needs.cameras,
            "send_state": needs.state_size > 0,
            "quat_no_antipodal": True,
            "env_seed": 0,
        },
        "action_spec": _ACTION_SPEC,
        "observation_spec": cameras
        | ({"state": _STATE_SPEC} if needs.state_size else {})
        | {"language": _LANGUAGE_SPEC},
        EXTENSION: metadata.to_message(),
    }


def _error(number: int, text: str) -> HarnessMessage:
    return HarnessMessage(ERROR, {"error": text}, number)
