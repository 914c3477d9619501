"""The messages of vla-evaluation-harness, protocol version 1: every one of them says its type and carries a number."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from eval_bridge.policies.observation_needs import PolicyObservation
from eval_bridge.serving.array_messages import EncodedImage, MessageError, encode_png, pack_harness, unpack_harness
from eval_bridge.serving.conventions import WireConventions, frame_to_wire, state_to_wire
from eval_bridge.serving.sent_observation import FieldNames, SentObservation

PROTOCOL_VERSION = 1

HELLO, OBSERVATION, ACTION, ERROR = "hello", "observation", "action", "error"
EPISODE_START, EPISODE_END = "episode_start", "episode_end"
TYPES = (HELLO, OBSERVATION, ACTION, EPISODE_START, EPISODE_END, ERROR)

FIELDS = FieldNames(("images.agentview", "images.wrist"), "states", "task_description")

GRIPPER_FORMATS: Mapping[str, str] = {
    "binary_close_positive": "close_positive",
    "binary_close_negative": "close_negative",
    "binary_close_01": "close_01",
}
"""The protocol's names of what `eval_bridge.serving.conventions` tells of the gripper."""


class HarnessMessage(NamedTuple):
    """A message: its type, what it holds, and the number that an answer repeats."""

    kind: str
    payload: dict[Any, Any]
    number: int = 0

    def packed(self) -> bytes:
        """As bytes."""
        content = {"type": self.kind, "payload": self.payload, "seq": self.number, "timestamp": time.time()}
        return pack_harness(content)


def read_message(message: bytes | str) -> HarnessMessage:
    """What a client or a server said.

    Raises:
        MessageError: it is a text, no msgpack, or lacks a field.
    """
    if isinstance(message, str):
        raise MessageError("a text frame came; messages are binary frames of msgpack")
    content = unpack_harness(message)
    if not isinstance(content, dict):
        raise MessageError(f"a message is a {type(content).__name__}; it must be a map with type, payload and seq")
    kind, payload, number = content.get("type"), content.get("payload"), content.get("seq")
    if not isinstance(kind, str) or kind not in TYPES or not isinstance(payload, dict) or not isinstance(number, int):
        raise MessageError(
            f"a message has type {kind!r}, a payload that is a {type(payload).__name__}, and seq {number!r}; it must "
            f"have one of the types {', '.join(TYPES)}, a map and a whole number"
        )
    return HarnessMessage(kind, payload, number)


def sent_observation(payload: Mapping[Any, Any]) -> SentObservation:
    """The parts of a client's observation."""
    images = payload.get("images")
    images = images if isinstance(images, dict) else {}
    frames = tuple(images.get(name.partition(".")[2]) for name in FIELDS.cameras)
    return SentObservation(frames, payload.get(FIELDS.state), payload.get(FIELDS.instruction))


def observation_payload(
    observation: PolicyObservation, conventions: WireConventions, *, with_wrist: bool, with_state: bool
) -> dict[str, Any]:
    """What a client sends of an observation of both cameras: as much as the server asked for."""
    frames = observation.frames if with_wrist else observation.frames[:1]
    images: dict[str, EncodedImage] = {
        name.partition(".")[2]: encode_png(frame_to_wire(frame, conventions))
        for name, frame in zip(FIELDS.cameras, frames, strict=False)
    }
    payload: dict[str, Any] = {"images": images, FIELDS.instruction: observation.instruction}
    if with_state:
        payload[FIELDS.state] = state_to_wire(observation.proprio, conventions).astype(np.float64)
    return payload
