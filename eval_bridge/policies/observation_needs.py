"""What a policy wants to see, and observations reduced to it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.observations import Observation
from rsd_jax.demos.frames import to_stored_size


class PolicyObservation(NamedTuple):
    """An observation as policies take it, a quarter of what was rendered: that is what workers send.

    Attributes:
        frames: agentview and wrist, reduced as demonstrations store them, ``uint8 [2, 128, 128, 3]``.
        proprio: ``float32 [8]``. instruction: the language instruction.
    """

    frames: NDArray[np.uint8]
    proprio: NDArray[np.float32]
    instruction: str


def reduce_observation(observation: Observation) -> PolicyObservation:
    """Reduces the frames of an observation by the same function that demonstrations went through."""
    frames = np.stack([to_stored_size(frame) for frame in (observation.agentview, observation.wrist)])
    return PolicyObservation(frames, observation.proprio, observation.instruction)
