"""What a policy wants to see, and what workers, and whoever holds the policy, take of observations for it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.observations import CAMERAS, STATE_SIZE, Observation
from rsd_jax.demos.frames import RENDER_SIZE
from rsd_jax.observation_needs import ObservationNeeds


class PolicyObservation(NamedTuple):
    """What a policy takes of an observation. Its compiled call reduces the frames to the size that it needs.

    Workers send frames as rendered: that costs their owner 0.3 ms a chunk, and saves them 0.9 ms of reducing.

    Attributes:
        frames: of the N cameras that the policy needs, in its order and as rendered: N times ``uint8 [256, 256, 3]``.
        proprio: the robot's state, ``float32 [8]``, or ``[0]`` for a policy that does not take it.
        instruction: the language instruction.
    """

    frames: tuple[NDArray[np.uint8], ...]
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


def select_observation(observation: Observation, needs: ObservationNeeds) -> PolicyObservation:
    """What a policy with `needs` takes of an observation, without a copy.

    Raises:
        ValueError: a number of the robot's state is not finite.
    """
    proprio = observation.proprio[: needs.state_size]
    check_state(proprio)
    return PolicyObservation(
        tuple(getattr(observation, camera) for camera in needs.cameras), proprio, observation.instruction
    )


def blank_observation(needs: ObservationNeeds, instruction: str) -> PolicyObservation:
    """Black frames and a state of zeros, in the shapes that a policy with `needs` takes."""
    black: NDArray[np.uint8] = np.zeros((RENDER_SIZE, RENDER_SIZE, 3), np.uint8)
    return PolicyObservation((black,) * len(needs.cameras), np.zeros(needs.state_size, np.float32), instruction)
