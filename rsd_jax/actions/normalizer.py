"""Actions between the dataset's own units and [-1, 1]."""

from typing import Any

import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from rsd_jax.array_types import Actions, typecheck

GRIPPER = -1
"""Index of the gripper among the action dimensions; it is -1 or +1 and never scaled."""


@flax.struct.dataclass
class ActionNormalizer:
    """An affine map per action dimension: ``normalised = (action - center) / half_range``.

    Attributes:
        center: middle of the training actions' range, in the action's units, ``[A]``; 0 for the gripper.
        half_range: half of that range, ``[A]``, positive; 1 for the gripper.
    """

    center: Float[Array, " A"]
    half_range: Float[Array, " A"]

    @staticmethod
    def from_actions(actions: NDArray[np.float32], smallest_half_range: float = 0.05) -> "ActionNormalizer":
        """Takes the range that no training action exceeds.

        Args:
            actions: training actions ``[N, A]``, gripper last.
            smallest_half_range: floor for dimensions that hardly move, in action units: without it noise of a nearly
                constant dimension would be blown up to full scale.

        Raises:
            ValueError: if `actions` is not ``[N, A]`` with N >= 1, or holds a value that is not finite.
        """
        if actions.ndim != 2 or actions.shape[0] < 1:
            raise ValueError(f"actions has shape {actions.shape}; expected [N, A] with at least one row")
        if not np.isfinite(actions).all():
            row, column = np.argwhere(~np.isfinite(actions))[0]
            raise ValueError(f"actions[{row}, {column}] is {actions[row, column]}; actions must be finite")
        low, high = actions.min(axis=0), actions.max(axis=0)
        center, half_range = (low + high) / 2, np.maximum((high - low) / 2, smallest_half_range)
        center[GRIPPER], half_range[GRIPPER] = 0.0, 1.0
        return ActionNormalizer(
            center=jnp.asarray(center, jnp.float32), half_range=jnp.asarray(half_range, jnp.float32)
        )

    @typecheck
    def normalize(self, actions: Actions) -> Actions:
        """Maps actions in the dataset's units to normalised ones; training actions land in [-1, 1]."""
        return (actions - self.center) / self.half_range

    @typecheck
    def denormalize(self, normalized: Actions) -> Actions:
        """Maps normalised actions back, after clipping to [-1, 1]; the gripper becomes exactly -1 or +1."""
        actions = jnp.clip(normalized, -1.0, 1.0) * self.half_range + self.center
        gripper = jnp.where(normalized[..., GRIPPER] >= 0, 1.0, -1.0)
        return actions.at[..., GRIPPER].set(gripper)

    def to_json(self) -> dict[str, Any]:
        """The two vectors as lists of numbers, exact in float32."""
        return {"center": np.asarray(self.center).tolist(), "half_range": np.asarray(self.half_range).tolist()}

    @staticmethod
    def from_json(fields: dict[str, Any]) -> "ActionNormalizer":
        """Inverse of `to_json`."""
        return ActionNormalizer(
            center=jnp.asarray(fields["center"], jnp.float32),
            half_range=jnp.asarray(fields["half_range"], jnp.float32),
        )
