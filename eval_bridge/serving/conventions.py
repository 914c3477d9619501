"""What images, states and actions mean on a wire, declared by a server or for one, and converted at the boundary."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsd_jax.actions.conventions import upright
from rsd_jax.demos.frames import RENDER_SIZE

ROBOSUITE_STATE = "position3_axisangle3_fingers2"
SHORTEST_STATE = "position3_shortestaxisangle3_fingers2"
NO_STATE = "none"
STATE_LAYOUTS = (ROBOSUITE_STATE, SHORTEST_STATE, NO_STATE)
"""End effector's position (m), its rotation, both fingers (m): the rotation's angle as robosuite gives it, in
[0, 2 pi), or the shortest one that means the same, in [0, pi]. OpenVLA-OFT's checkpoints lose 13 to 40 points by the
wrong one of the two."""

GRIPPERS = ("close_positive", "close_negative", "close_01", "open_01")
"""-1 opens and 1 closes, as LIBERO takes it; the reverse; 0 opens and 1 closes; 0 closes and 1 opens."""

ROTATIONS = (0, 180)


@dataclass(frozen=True)
class WireConventions:
    """What a policy's server takes and gives.

    Attributes:
        image_size: side of its square frames, pixels.
        image_rotation: degrees by which they are turned from how LIBERO renders; 180 stands them upright.
        state_layout: one of `STATE_LAYOUTS`.
        gripper: what the last number of an action means, one of `GRIPPERS`.
        chunk_length: actions of a chunk; 0 for as many as come.
        actions_executed: actions of a chunk that are executed before the next one is asked for; 0 for all.

    Raises:
        ValueError: on construction, if there is no such convention.
    """

    image_size: int = RENDER_SIZE
    image_rotation: int = 180
    state_layout: str = ROBOSUITE_STATE
    gripper: str = "close_positive"
    chunk_length: int = 0
    actions_executed: int = 0

    def __post_init__(self) -> None:
        for name, valid in (("image_rotation", ROTATIONS), ("state_layout", STATE_LAYOUTS), ("gripper", GRIPPERS)):
            if getattr(self, name) not in valid:
                raise ValueError(f"{name}={getattr(self, name)!r} must be one of {', '.join(map(str, valid))}.")
        if self.image_size < 1 or min(self.chunk_length, self.actions_executed) < 0:
            raise ValueError(
                f"image_size={self.image_size} must be at least 1; chunk_length={self.chunk_length} and "
                f"actions_executed={self.actions_executed} at least 0."
            )
        if self.chunk_length and self.actions_executed > self.chunk_length:
            raise ValueError(
                f"actions_executed={self.actions_executed} must be at most chunk_length={self.chunk_length}: a server "
                "that gives fewer actions than are executed leaves the robot without."
            )

    def to_json(self) -> dict[str, Any]:
        """The conventions by name, as JSON and msgpack have them."""
        return asdict(self)


def conventions_from(declared: Any) -> dict[str, Any]:
    """The conventions that a server's metadata declare, as far as they are such: names of fields and their values."""
    if not isinstance(declared, dict):
        return {}
    types = {field.name: field.type for field in fields(WireConventions)}
    return {name: value for name, value in declared.items() if name in types and isinstance(value, types[name])}  # type: ignore[arg-type]


def frame_to_wire(frame: NDArray[np.uint8], conventions: WireConventions) -> NDArray[np.uint8]:
    """A frame as rendered, ``uint8 [256, 256, 3]``, as the server takes it; resized as openpi's clients do."""
    return _resized(_turned(frame, conventions), conventions.image_size)


def frame_from_wire(frame: NDArray[np.uint8], conventions: WireConventions) -> NDArray[np.uint8]:
    """A client's frame ``uint8 [S, S, 3]`` as rendered, ``[256, 256, 3]``: exactly, if it has that size."""
    return _turned(_resized(frame, RENDER_SIZE), conventions)


def state_to_wire(proprio: NDArray[np.float32], conventions: WireConventions) -> NDArray[np.float32]:
    """The robot's state ``float32 [8]`` as the server takes it; ``[0]`` where it takes none."""
    if conventions.state_layout == NO_STATE:
        return proprio[:0]
    if conventions.state_layout == ROBOSUITE_STATE:
        return proprio
    rotation = proprio[3:6].astype(np.float64)
    angle = np.linalg.norm(rotation)
    if angle > np.pi:
        rotation *= (angle - 2 * np.pi) / angle
    return np.concatenate([proprio[:3], rotation, proprio[6:]]).astype(np.float32)


def actions_from_wire(actions: NDArray[Any], conventions: WireConventions) -> NDArray[np.float32]:
    """A server's actions ``[C, 7]`` as LIBERO executes them, ``float32``: those of the chunk that are executed.

    Raises:
        ValueError: they are no numbers, or the chunk has another shape than is declared.
    """
    try:
        chunk = np.array(actions, np.float32)  # a copy: what a message holds cannot be written
    except (TypeError, ValueError) as error:
        raise ValueError(f"the server's actions are no array of numbers: {error}") from error
    least = max(conventions.actions_executed, 1)
    if (
        chunk.ndim != 2
        or chunk.shape[1] != 7
        or len(chunk) < least
        or len(chunk) != (conventions.chunk_length or len(chunk))
    ):
        wanted = conventions.chunk_length or f"{least} or more"
        raise ValueError(
            f"the server's actions have shape {chunk.shape}; it must be [{wanted}, 7], by conventions.chunk_length "
            "and conventions.actions_executed: declare what this server gives"
        )
    chunk = chunk[: conventions.actions_executed or None]
    gripper = chunk[:, 6]
    match conventions.gripper:
        case "close_negative":
            gripper *= -1
        case "close_01":
            gripper[:] = 2 * gripper - 1
        case "open_01":
            gripper[:] = 1 - 2 * gripper
    return chunk


def _turned(frame: NDArray[np.uint8], conventions: WireConventions) -> NDArray[np.uint8]:
    """A frame as the wire has it, or back: half a turn is its own inverse."""
    if conventions.image_rotation == 0:
        return frame
    turned = np.empty_like(frame, order="C")
    for channel in range(frame.shape[2]):  # a fifth of the time that NumPy takes to copy the view
        turned[..., channel] = upright(frame)[..., channel]
    return turned


def _resized(frame: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if frame.shape[:2] == (size, size):
        return frame
    return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR))
