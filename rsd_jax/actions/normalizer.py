"""Actions between the dataset's own units and [-1, 1]."""

import difflib
from typing import Any

import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike, NDArray

from rsd_jax.array_types import Actions, typecheck

GRIPPER = -1
"""Index of the gripper among the action dimensions; it is -1 or +1 and never scaled."""

_ROUNDING = 1e-6


@flax.struct.dataclass
class ActionNormalizer:
    """An affine map per action dimension: ``normalised = (action - center) / half_range``.

    Attributes:
        center: middle of the actions' range, in the action's units, ``[A]``; 0 for the gripper.
        half_range: half of that range, ``[A]``, positive; 1 for the gripper.
        is_bounded: whether `denormalize` clips. It must for tokens, whose range is [-1, 1]; OpenVLA-OFT does not.
    """

    center: Float[Array, " A"]
    half_range: Float[Array, " A"]
    is_bounded: bool = flax.struct.field(pytree_node=False, default=True)

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

    @staticmethod
    def from_quantiles(
        q01: ArrayLike,
        q99: ArrayLike,
        mask: ArrayLike | None = None,
        smallest_half_range: float = 0.0,
        is_bounded: bool = True,
    ) -> "ActionNormalizer":
        """Takes imported quantiles: q01 becomes -1, q99 becomes +1 (OpenVLA, arXiv 2406.09246, section 3.2).

        Some training actions lie outside, and `denormalize` cannot give them back: `clip_loss` says what that costs.
        The gripper is left as it is, like every dimension that `mask` leaves out; to bring it to -1 and +1 is up to
        whoever reads the actions.

        Args:
            q01, q99: first and 99th percentile of every dimension, in action units, ``[A]``, gripper last.
            mask: which dimensions are normalised, ``bool [A]``; all but the gripper by default.
            smallest_half_range: as in `from_actions`. There is none by default, because a policy that comes with its
                statistics was trained with exactly their scale.
            is_bounded: see `ActionNormalizer`.

        Raises:
            ValueError: if the shapes differ or are not ``[A]``, or if a dimension that is normalised has a quantile
                that is not finite, or a q99 that is not above its q01.
        """
        low, high = np.array(q01, np.float64), np.array(q99, np.float64)
        scaled = np.ones(low.shape, bool) if mask is None else np.array(mask, bool)
        if low.ndim != 1 or low.size < 1 or not low.shape == high.shape == scaled.shape:
            raise ValueError(
                f"q01, q99 and mask have shapes {low.shape}, {high.shape} and {scaled.shape}; expected [A] for all"
            )
        scaled[GRIPPER] = False
        for a in np.flatnonzero(scaled):
            if not -np.inf < low[a] < high[a] < np.inf:
                raise ValueError(
                    f"q01[{a}] is {low[a]} and q99[{a}] is {high[a]}; they must be finite, and q99 above q01. Set "
                    f"mask[{a}] to False to leave dimension {a} as it is"
                )
        center = np.where(scaled, (low + high) / 2, 0.0)
        half_range = np.where(scaled, np.maximum((high - low) / 2, smallest_half_range), 1.0)
        return ActionNormalizer(
            jnp.asarray(center, jnp.float32), jnp.asarray(half_range, jnp.float32), is_bounded=is_bounded
        )

    @staticmethod
    def from_dataset_statistics(
        statistics: dict[str, Any], key: str, smallest_half_range: float = 0.0, is_bounded: bool = True
    ) -> "ActionNormalizer":
        """Takes the quantiles from a ``dataset_statistics.json`` of OpenVLA's, see `from_quantiles`.

        Args:
            statistics: the parsed file: ``{key: {"action": {"q01": [...], "q99": [...], "mask": [...]}}}``; the mask
                may be missing.
            key: name of the dataset.
            smallest_half_range, is_bounded: see `from_quantiles`.

        Raises:
            ValueError: if there is no such dataset, if it has no quantiles, or as `from_quantiles` does.
        """
        if key not in statistics:
            nearest = difflib.get_close_matches(key, list(statistics), n=1)
            suggestion = f"; did you mean {nearest[0]!r}?" if nearest else ""
            raise ValueError(f"key is {key!r}; valid keys are: {', '.join(statistics) or 'none'}{suggestion}")
        action = statistics[key].get("action", {})
        if missing := [name for name in ("q01", "q99") if name not in action]:
            raise ValueError(
                f"statistics[{key!r}]['action'] has no {' and no '.join(missing)}; it must hold both q01 and q99, "
                "each a list of one number per action dimension"
            )
        quantiles = action["q01"], action["q99"], action.get("mask")
        return ActionNormalizer.from_quantiles(*quantiles, smallest_half_range, is_bounded)

    @typecheck
    def normalize(self, actions: Actions) -> Actions:
        """Maps actions in the dataset's units to normalised ones, without clipping.

        Actions within the range that the normalizer was made from land in [-1, 1]; with `from_actions` these are all
        training actions.
        """
        return (actions - self.center) / self.half_range

    @typecheck
    def denormalize(self, normalized: Actions) -> Actions:
        """Maps normalised actions back, clipped to [-1, 1] if `is_bounded`; the gripper becomes exactly -1 or +1."""
        within = jnp.clip(normalized, -1.0, 1.0) if self.is_bounded else normalized
        actions = within * self.half_range + self.center
        gripper = jnp.where(normalized[..., GRIPPER] >= 0, 1.0, -1.0)
        return actions.at[..., GRIPPER].set(gripper)

    def has_range_of(self, other: "ActionNormalizer") -> bool:
        """Whether both map alike, bounded or not."""
        pairs = ((self.center, other.center), (self.half_range, other.half_range))
        return all(np.array_equal(ours, theirs) for ours, theirs in pairs)

    def clip_loss(self, actions: ArrayLike) -> Float[Array, " A"]:
        """What clipping to [-1, 1] takes away: mean square in half ranges, by dimension, ``[A]``; 0 for the gripper.

        No tokenizer that decodes with this normalizer can have a smaller mean squared error on `actions`.

        Args:
            actions: in the dataset's units, ``[N, A]``.

        Raises:
            ValueError: if `actions` is not ``[N, A]`` with N >= 1 and as many dimensions as the normalizer has.
        """
        normalized = self._normalize_rows(actions)
        loss = jnp.mean(jnp.square(normalized - jnp.clip(normalized, -1.0, 1.0)), axis=0)
        return loss.at[GRIPPER].set(0.0)

    def clipped_fraction(self, actions: ArrayLike) -> Float[Array, " A"]:
        """Share of the numbers of each dimension that clipping to [-1, 1] changes, ``[A]``; 0 for the gripper.

        Rounding alone, a millionth of the half range, is not counted.

        Args:
            actions: in the dataset's units, ``[N, A]``.

        Raises:
            ValueError: as `clip_loss` does.
        """
        is_beyond = jnp.abs(self._normalize_rows(actions)) > 1.0 + _ROUNDING
        return jnp.mean(is_beyond, axis=0).at[GRIPPER].set(0.0)

    def _normalize_rows(self, actions: ArrayLike) -> Float[Array, "N A"]:
        given = np.asarray(actions, np.float32)
        if given.ndim != 2 or given.shape[0] < 1 or given.shape[1] != self.center.shape[0]:
            raise ValueError(
                f"actions has shape {given.shape}; expected [N, {self.center.shape[0]}] with at least one row"
            )
        return self.normalize(jnp.asarray(given)[None])[0]

    def to_json(self) -> dict[str, Any]:
        """The two vectors as lists of numbers, exact in float32; that it is bounded is left out, as most are."""
        vectors = {"center": np.asarray(self.center).tolist(), "half_range": np.asarray(self.half_range).tolist()}
        return vectors if self.is_bounded else {**vectors, "is_bounded": False}

    @staticmethod
    def from_json(fields: dict[str, Any]) -> "ActionNormalizer":
        """Inverse of `to_json`."""
        return ActionNormalizer(
            center=jnp.asarray(fields["center"], jnp.float32),
            half_range=jnp.asarray(fields["half_range"], jnp.float32),
            is_bounded=fields.get("is_bounded", True),
        )
