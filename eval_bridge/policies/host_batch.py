"""The inputs of a policy's compiled call, kept on the host: of its rows only those that are asked are renewed."""

import numpy as np

from eval_bridge.policies.observation_needs import PolicyObservation, check_state
from rsd_jax.backbones.interface import Backbone, PolicyInputs


class HostBatch:
    """Inputs of `size` rows; a row holds what was last written to it, zeros at first."""

    def __init__(self, size: int, backbone: Backbone) -> None:
        """Makes the arrays, in the shapes that a policy with this `backbone` takes."""
        needs = backbone.observation_needs
        side = needs.image_size
        self._images = np.zeros((size, len(needs.cameras), side, side, 3), np.uint8)
        self._proprio = np.zeros((size, needs.state_size), np.float32)
        self._encode = backbone.encode_instruction
        self._ids = np.zeros((size, len(self._encode("an instruction"))), np.int32)
        self._instructions: list[str | None] = [None] * size

    @property
    def inputs(self) -> PolicyInputs:
        """The rows as they are now, without a copy."""
        return PolicyInputs(self._images, self._proprio, self._ids)  # type: ignore[arg-type]  # NumPy in place of JAX

    def write(self, row: int, observation: PolicyObservation) -> None:
        """Puts an observation into a row.

        Raises:
            ValueError: its arrays have other shapes than the policy needs, its state holds a number that is not
                finite, or its instruction cannot be encoded.
        """
        expected = (self._images.shape[1:], self._proprio.shape[1:])
        if (found := (observation.frames.shape, observation.proprio.shape)) != expected:
            raise ValueError(
                f"the observation has frames and state of shapes {found}; this policy needs {expected}: reduce it by "
                "`reduce_observation` with the policy's observation_needs"
            )
        check_state(observation.proprio)
        if self._instructions[row] != observation.instruction:
            self._ids[row] = self._encode(observation.instruction)
            self._instructions[row] = observation.instruction
        self._images[row], self._proprio[row] = observation.frames, observation.proprio
