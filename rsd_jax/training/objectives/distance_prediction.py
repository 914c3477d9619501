"""Objective of the confidence stage: to tell how far a draft lies before the main policy has looked."""

from dataclasses import dataclass

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rsd_jax.heads.distance_head import DistanceHead
from rsd_jax.training.objectives.interface import LossOutput, Variables

SMALLEST_DISTANCE = 1e-3
"""Below it no rule tells distances apart; without it the logarithm of equal chunks would have no bound."""


@flax.struct.dataclass
class DistanceConstants:
    """What the loss needs beside the batch.

    Attributes:
        feature_scale: standard deviation of every feature over the training rows, ``[F]``.
    """

    feature_scale: Float[Array, " F"]


@dataclass(frozen=True)
class DistancePrediction:
    """L1 distance of logarithms, so that what is predicted is the median. `frozen` are `DistanceConstants`.

    Attributes:
        head: the network.
        chunk_length: C. feature_dim: F. action_dim: A.
        feature_noise: standard deviation of noise on the features, relative to each feature's own.
    """

    head: DistanceHead
    chunk_length: int
    feature_dim: int
    action_dim: int
    feature_noise: float = 0.1

    def init(self, key: jax.Array) -> Variables:
        """Draws the parameters."""
        features, drafted = (
            jnp.zeros((1, self.chunk_length, dim), jnp.float32) for dim in (self.feature_dim, self.action_dim)
        )
        return Variables(self.head.init(key, features, drafted)["params"], {})

    def loss(
        self, variables: Variables, frozen: DistanceConstants, batch: dict[str, jax.Array], key: jax.Array
    ) -> LossOutput:
        """Loss on ``features`` ``[B, C, F]``, ``drafted`` ``[B, C, A]`` and ``distance`` ``[B]`` of `batch`."""
        noise = self.feature_noise * frozen.feature_scale * jax.random.normal(key, batch["features"].shape)
        predicted = self.head.apply({"params": variables.params}, batch["features"] + noise, batch["drafted"])
        error = jnp.mean(jnp.abs(predicted - log_distance(batch["distance"])))
        return LossOutput(loss=error, model_state={}, metrics={"loss/log_distance": error})


def log_distance(distance: Float[Array, "B"]) -> Float[Array, "B"]:
    """The label of a distance in half-ranges."""
    return jnp.log(jnp.maximum(distance, SMALLEST_DISTANCE))
