"""From what a client sent to what a policy takes: every field checked, and told by the name that the client knows."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.observations import CAMERAS, STATE_SIZE
from eval_bridge.policies.observation_needs import PolicyObservation
from eval_bridge.serving.array_messages import EncodedImage, MessageError
from eval_bridge.serving.conventions import WireConventions, frame_from_wire
from rsd_jax.observation_needs import ObservationNeeds

MOST_CHARACTERS = 1000
"""Of an instruction."""


class FieldNames(NamedTuple):
    """What a protocol calls the parts of an observation: the cameras in the order of `CAMERAS`."""

    cameras: tuple[str, ...]
    state: str
    instruction: str


class SentObservation(NamedTuple):
    """The parts of an observation as a message held them, None where it did not: cameras in the order of `CAMERAS`."""

    frames: tuple[Any, ...]
    state: Any
    instruction: Any


class ObservationReader(NamedTuple):
    """Turns sent observations into those of a policy.

    Attributes:
        needs: of the policy; what it does not need may be missing.
        conventions: in which clients send.
        resizes_images: whether frames of another size than the conventions' are taken, and resized.
    """

    needs: ObservationNeeds
    conventions: WireConventions
    resizes_images: bool

    def read(self, sent: SentObservation, names: FieldNames) -> PolicyObservation:
        """The observation.

        Raises:
            MessageError: a part that the policy needs is missing, or is not what it must be.
        """
        places = [CAMERAS.index(camera) for camera in self.needs.cameras]
        frames = tuple(self._frame(sent.frames[place], names.cameras[place]) for place in places)
        if not isinstance(sent.instruction, str):
            raise MessageError(
                f"{names.instruction} is {_described(sent.instruction)}; it must be a text, the task's instruction"
            )
        if len(sent.instruction) > MOST_CHARACTERS:  # taken apart into words, combined characters take the square
            raise MessageError(
                f"{names.instruction} has {len(sent.instruction)} characters; at most {MOST_CHARACTERS} are taken"
            )
        return PolicyObservation(frames, self._state(sent.state, names.state), sent.instruction)

    def _frame(self, value: Any, name: str) -> NDArray[np.uint8]:
        frame = value.decode() if isinstance(value, EncodedImage) else value
        size = self.conventions.image_size
        is_image = isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.ndim == 3
        if not is_image or frame.shape[2] != 3 or frame.shape[0] != frame.shape[1] or not frame.size:
            raise MessageError(
                f"{name} is {_described(frame)}; it must be uint8 [{size}, {size}, 3], RGB and turned by "
                f"{self.conventions.image_rotation} degrees from how LIBERO renders"
            )
        if len(frame) != size and not self.resizes_images:
            raise MessageError(
                f"{name} has sides of {len(frame)} pixels; it must have {size}, as cameras render: send it so, or "
                "start the server with --config.resizes_images=true, which costs exactness"
            )
        return frame_from_wire(frame, self.conventions)

    def _state(self, value: Any, name: str) -> NDArray[np.float32]:
        if not self.needs.state_size:
            return np.zeros(0, np.float32)
        numbers = _numbers(value)
        if numbers is None or numbers.shape != (STATE_SIZE,):
            raise MessageError(
                f"{name} is {_described(value)}; it must be {STATE_SIZE} numbers, {self.conventions.state_layout}"
            )
        with np.errstate(over="ignore"):
            state = numbers.astype(np.float32)
        if not np.isfinite(state).all():
            raise MessageError(f"{name} is {numbers.tolist()}; every number must be finite: look for the sensor")
        return state


def _numbers(value: Any) -> NDArray[Any] | None:
    """An array of real numbers, or a list of as many as a state has; None for anything else."""
    if isinstance(value, list | tuple):
        # Before they become an array: of texts, each would take the place of the longest.
        if len(value) != STATE_SIZE or not all(map(_is_number, value)):
            return None
        value = np.asarray(value)
    return value if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _described(value: Any) -> str:
    if value is None:
        return "missing"
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return f"a {type(value).__name__}"
