"""What a policy wants to see, and observations reduced to it: by workers, and by whoever holds the policy."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.observations import CAMERAS, STATE_SIZE, Observation
from rsd_jax.demos.frames import RENDER_SIZE, to_size
from rsd_jax.observation_needs import ObservationNeeds


class PolicyObservation(NamedTuple):
    """An observation as a policy takes it, mostly smaller than what was rendered: that is what workers send.

    Attributes:
        frames: of the N cameras that the policy needs, in its order and size, ``uint8 [N, H, W, 3]``.
        proprio: the robot's state, ``float32 [8]``, or ``[0]`` for a policy that does not take it.
        instruction: the language instruction.
    """

    frames: NDArray[np.uint8]
    proprio: NDArray[np.float32]
    instruction: str


def check_needs(needs: ObservationNeeds) -> ObservationNeeds:
    """Returns `needs` if observations can meet them.

    Raises:
        ValueError: a camera that does not exist or none, a size that is not rendered, or a state of another size.
    """
    unknown = [name for name in needs.cameras if name not in CAMERAS]
    if unknown or not needs.cameras:
        raise ValueError(f"cameras={needs.cameras} must name at least one of {', '.join(CAMERAS)}, and no other.")
    if not 1 <= needs.image_size <= RENDER_SIZE:
        raise ValueError(f"image_size={needs.image_size} must be from 1 to {RENDER_SIZE}, as cameras render.")
    if needs.state_size not in (0, STATE_SIZE):
        raise ValueError(f"state_size={needs.state_size} must be {STATE_SIZE}, or 0 for a policy without the state.")
    return needs


def check_state(proprio: NDArray[np.float32]) -> None:
    """Raises ValueError where a number of the robot's state is not finite: a policy would make a motion of it."""
    if not np.isfinite(proprio).all():
        place = int(np.flatnonzero(~np.isfinite(proprio))[0])
        raise ValueError(
            f"the observation's state has proprio[{place}] = {proprio[place]}; every number must be finite: look for "
            "the sensor, or the simulation, that gave it"
        )


def reduce_observation(observation: Observation, needs: ObservationNeeds) -> PolicyObservation:
    """What a policy with `needs` sees of an observation, by the functions that demonstrations went through.

    Raises:
        ValueError: a number of the robot's state is not finite.
    """
    check_state(observation.proprio[: needs.state_size])
    frames = np.stack([to_size(getattr(observation, camera), needs.image_size) for camera in needs.cameras])
    return PolicyObservation(frames, observation.proprio[: needs.state_size], observation.instruction)


def blank_observation(needs: ObservationNeeds, instruction: str) -> PolicyObservation:
    """Black frames and a state of zeros, in the shapes that a policy with `needs` takes."""
    frames = np.zeros((len(needs.cameras), needs.image_size, needs.image_size, 3), np.uint8)
    return PolicyObservation(frames, np.zeros(needs.state_size, np.float32), instruction)
