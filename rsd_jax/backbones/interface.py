"""What enters a backbone and how it reaches training and evaluation: types only."""

from typing import NamedTuple, Protocol

from jaxtyping import Array, Float, Int

from rsd_jax.array_types import Features, Images, PyTree


class PolicyInputs(NamedTuple):
    """One observation a row, before any preprocessing.

    Attributes:
        images: agentview and wrist frame at stored size and orientation, ``uint8 [B, 2, H, W, 3]``.
        proprio: end-effector position (m), axis-angle (rad) and finger positions (m), ``float32 [B, 8]``.
        instruction_ids: word ids of `rsd_jax.backbones.instruction`, ``int32 [B, W]``, 0 behind the last word.
    """

    images: Images
    proprio: Float[Array, "B P"]
    instruction_ids: Int[Array, "B W"]


class BackboneFn(Protocol):
    """Maps observations to one feature vector for each step of the chunk.

    `params` is what training updates, `constants` what it doesn't (normalization of the inputs).
    """

    def __call__(self, params: PyTree, constants: PyTree, inputs: PolicyInputs) -> Features:
        """Returns features ``[B, C, F]``."""
        ...
