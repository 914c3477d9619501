"""A client of vla-evaluation-harness's protocol (`PolicyClient`)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from eval_bridge.policies.interface import PolicyOutput
from eval_bridge.policies.observation_needs import PolicyObservation
from eval_bridge.serving.array_messages import MessageError
from eval_bridge.serving.client import ConventionSettings, PolicyServerError, Wire
from eval_bridge.serving.conventions import (
    ROBOSUITE_STATE,
    SHORTEST_STATE,
    WireConventions,
    actions_from_wire,
    conventions_from,
)
from eval_bridge.serving.decoding_details import EXTENSION, EpisodeStartWords, output_from
from eval_bridge.serving.harness_messages import (
    ACTION,
    EPISODE_END,
    EPISODE_START,
    ERROR,
    GRIPPER_FORMATS,
    HELLO,
    OBSERVATION,
    PROTOCOL_VERSION,
    HarnessMessage,
    observation_payload,
    read_message,
)

USUAL = WireConventions(state_layout=SHORTEST_STATE, actions_executed=1)
"""What the harness's LIBERO does for a server that asks for nothing else: every observation is sent."""


class HarnessClient:
    """One connection to a server of the harness's protocol.

    Such a server keeps its chunk to itself and gives an action for every observation. Where it is declared how many
    actions it gives without looking (`actions_executed`), that many are asked for with one observation.
    """

    metadata: dict[str, Any]
    conventions: WireConventions

    def __init__(self, wire: Wire, settings: ConventionSettings) -> None:
        """Says hello.

        Raises:
            PolicyServerError: the server does not.
            ValueError: its conventions and those of `settings` are impossible.
        """
        self._wire, self.is_open = wire, True
        self._number = 0
        hello = {"harness_version": EXTENSION, "protocol_version": PROTOCOL_VERSION, "benchmark": "libero"}
        self._send(HELLO, hello)
        self.metadata = self._receive(HELLO)
        self._is_ours = EXTENSION in self.metadata
        params = self.metadata.get("observation_params")
        self._params: Mapping[str, Any] = params if isinstance(params, dict) else {}
        self.conventions = settings.resolved(conventions_of_hello(self.metadata), USUAL)
        self._words: EpisodeStartWords | None = None
        self._payload: dict[str, Any] = {}
        self._is_in_episode = False

    def begin(self, words: EpisodeStartWords) -> None:
        """See `PolicyClient`."""
        if self._is_in_episode:
            self._send(EPISODE_END, {})
        self._words = words

    def ask(self, observation: PolicyObservation) -> None:
        """See `PolicyClient`."""
        if self._words is not None:
            said = {EXTENSION: self._words.to_json()} if self._is_ours else {}
            self._send(EPISODE_START, {"task": {"name": observation.instruction}, **said})
            self._words, self._is_in_episode = None, True
        self._payload = observation_payload(
            observation,
            self.conventions,
            with_wrist=bool(self._params.get("send_wrist_image")),
            with_state=bool(self._params.get("send_state")),
        )
        self._send(OBSERVATION, self._payload)

    def answer(self) -> PolicyOutput:
        """See `PolicyClient`."""
        first = self._receive(ACTION)
        actions = [_action(first)]
        for _ in range(1, self.conventions.actions_executed or self.conventions.chunk_length or 1):
            self._send(OBSERVATION, self._payload)
            actions.append(_action(self._receive(ACTION)))
        return output_from(actions_from_wire(np.stack(actions), self._of_actions), first.get(EXTENSION))

    def close(self) -> None:
        """See `PolicyClient`."""
        self.is_open = False
        self._wire.close()

    @property
    def _of_actions(self) -> WireConventions:
        """As many come as are asked for."""
        return WireConventions(gripper=self.conventions.gripper)

    def _send(self, kind: str, payload: dict[str, Any]) -> None:
        self._number += 1
        self._wire.send(HarnessMessage(kind, payload, self._number).packed())

    def _receive(self, kind: str) -> dict[str, Any]:
        message = read_message(self._wire.receive())
        if message.kind == ERROR:
            raise PolicyServerError(f"the policy's server failed: {message.payload.get('error')}")
        if (message.kind, message.number) != (kind, self._number):
            raise PolicyServerError(
                f"the policy's server answered {message.kind} {message.number}; asked was for {kind} {self._number}"
            )
        return message.payload


def conventions_of_hello(hello: Mapping[str, Any]) -> dict[str, Any]:
    """The conventions that a server's hello tells: of this project's all, of others' the state's and the gripper's."""
    ours = hello.get(EXTENSION)
    if isinstance(ours, dict):
        return conventions_from(ours.get("conventions"))
    params, actions = hello.get("observation_params"), hello.get("action_spec")
    told = {}
    if isinstance(params, dict) and params.get("quat_no_antipodal"):
        told["state_layout"] = ROBOSUITE_STATE
    gripper = actions.get("gripper") if isinstance(actions, dict) else None
    if isinstance(gripper, dict) and gripper.get("format") in GRIPPER_FORMATS:
        told["gripper"] = GRIPPER_FORMATS[gripper["format"]]
    return told


def _action(payload: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    action = np.asarray(payload.get("actions", payload.get("action")))
    if action.shape != (7,) or action.dtype.kind not in "fiu":
        raise MessageError(f"the server's action has shape {action.shape} and dtype {action.dtype}; it must be [7]")
    return action
