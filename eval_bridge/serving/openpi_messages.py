"""openpi's messages as they are for LIBERO: what a client sends, what a server answers."""

from collections.abc import Mapping
from typing import Any

from eval_bridge.policies.interface import PolicyOutput
from eval_bridge.policies.observation_needs import PolicyObservation
from eval_bridge.serving.array_messages import MessageError, pack_openpi, unpack_openpi
from eval_bridge.serving.conventions import WireConventions, actions_from_wire, frame_to_wire, state_to_wire
from eval_bridge.serving.decoding_details import EXTENSION, EpisodeStartWords, details_of, output_from
from eval_bridge.serving.sent_observation import FieldNames, SentObservation

FIELDS = FieldNames(("observation/image", "observation/wrist_image"), "observation/state", "prompt")

RESET = "reset"
"""Whether an observation is the first of an episode. Our word, since openpi has none: who does not say it gets every
chunk as if it were the first, so that nothing of another episode can be in it."""


def read_map(message: bytes | str) -> dict[Any, Any]:
    """What a message of a client or a server holds.

    Raises:
        MessageError: it is a text, no msgpack, or no map.
    """
    if isinstance(message, str):
        raise MessageError("a text frame came; messages are binary frames of msgpack")
    content = unpack_openpi(message)
    if not isinstance(content, dict):
        raise MessageError(f"a message is a {type(content).__name__}; it must be a map")
    return content


def sent_observation(content: Mapping[Any, Any]) -> SentObservation:
    """The parts of a client's observation."""
    frames = tuple(content.get(name) for name in FIELDS.cameras)
    return SentObservation(frames, content.get(FIELDS.state), content.get(FIELDS.instruction))


def observation_message(
    observation: PolicyObservation,
    conventions: WireConventions,
    *,
    begins: bool | None = None,
    words: EpisodeStartWords | None = None,
) -> bytes:
    """What a client sends.

    Args:
        observation: of all `CAMERAS`.
        conventions: of the server.
        begins: whether an episode begins; None for a server that does not know the word.
        words: to a server of this project.
    """
    content: dict[str, Any] = {
        name: frame_to_wire(frame, conventions) for name, frame in zip(FIELDS.cameras, observation.frames, strict=True)
    }
    content |= {
        FIELDS.state: state_to_wire(observation.proprio, conventions),
        FIELDS.instruction: observation.instruction,
    }
    if begins is not None:
        content[RESET] = begins
    if words is not None:
        content[EXTENSION] = words.to_json()
    return pack_openpi(content)


def chunk_message(output: PolicyOutput, *, with_details: bool, infer_ms: float, prev_total_ms: float | None) -> bytes:
    """What a server answers.

    Args:
        output: the chunk.
        with_details: whether the client asked for them.
        infer_ms: from observation to actions, milliseconds. prev_total_ms: of the last request, answering included.
    """
    timing = {"infer_ms": infer_ms} | ({} if prev_total_ms is None else {"prev_total_ms": prev_total_ms})
    content = {"actions": output.actions, "policy_timing": {"infer_ms": infer_ms}, "server_timing": timing}
    return pack_openpi(content | ({EXTENSION: details_of(output)} if with_details else {}))


def read_chunk(content: Mapping[Any, Any], conventions: WireConventions) -> PolicyOutput:
    """The chunk in a server's answer; raises ValueError if it is none, or another than the conventions declare."""
    if "actions" not in content:
        raise MessageError(f"the server's answer has no actions; it has {', '.join(map(str, content))}")
    return output_from(actions_from_wire(content["actions"], conventions), content.get(EXTENSION))
