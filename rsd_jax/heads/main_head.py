"""The main head: the target model, autoregressive over the layers of every column."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from rsd_jax.array_types import Features, Latents, Logits, Position, PyTree, Tokens
from rsd_jax.heads.digit_logits import DigitLogits, at_layers
from rsd_jax.heads.latent_estimator import LatentEstimator
from rsd_jax.partitioned_layers import AxisName, Dense, LayerNorm, Mlp
from rsd_jax.rfsq import QuantizerTable, grid_coordinates


@dataclass(frozen=True)
class MainHeadConfig:
    """Size of the main head.

    Attributes:
        num_layers: L of the code. latent_dim: D. num_levels: V.
        width: of the latent estimator; depth: its residual blocks.
        column_features: width of a column's own context and of its prefix embedding.
    """

    num_layers: int = 8
    latent_dim: int = 16
    num_levels: int = 7
    width: int = 128
    depth: int = 2
    column_features: int = 16


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ColumnContext:
    """What the main head knows before any token.

    Attributes:
        latents: the estimate, ``[B, C, D]``.
        context: each column's own features, ``[B, C, D, E]``.
    """

    latents: Latents
    context: Float[Array, "B C D E"]


class MainHead(nn.Module):
    """p(c_l | c_<l of the same column, features): distance logits of a latent estimate plus a learned correction.

    The correction sees the column's context, the embedded coarser digits and where the estimate lies in the layer's
    grid; it starts at zero.

    Attributes:
        config: its size.
        column_local: what it is of digits (`rsd_jax.decoding.column_local`): the context, which sees all columns, is
            made of no digit.
    """

    config: MainHeadConfig
    column_local: ClassVar[bool] = True

    def setup(self) -> None:
        """Creates the estimator, the column context, the prefix embedding and the correction."""
        config = self.config
        wide = config.column_features
        self.estimator = LatentEstimator(config.latent_dim, config.width, config.depth)
        self.context_norm = LayerNorm()
        self.column_context = Dense(config.latent_dim * wide, ("embed", None))
        axes: tuple[AxisName, ...] = (None, None, None)
        small = nn.with_logical_partitioning(nn.initializers.normal(0.1), axes)
        self.digit_embedding = self.param("digit_embedding", small, (config.num_layers, config.num_levels, wide))
        self.layer_embedding = self.param("layer_embedding", small, (config.latent_dim, config.num_layers, wide))
        self.digit_logits = DigitLogits(config.latent_dim, config.num_layers, config.num_levels)
        self.correction = Mlp(4 * wide, config.num_levels, axes=(None, None))
        self.correction_gain = self.param(
            "correction_gain",
            nn.with_logical_partitioning(nn.initializers.zeros_init(), (None,)),
            (config.num_layers,),
        )

    def __call__(
        self, features: Features, table: QuantizerTable, tokens: Tokens, position: Position, num_layers: int
    ) -> Logits:
        """Context and scores in one call."""
        return self.score(self.contextualise(features), table, tokens, position, num_layers)

    def contextualise(self, features: Features) -> ColumnContext:
        """What does not depend on tokens, computed once a chunk."""
        columns = self.column_context(self.context_norm(features))
        shape = (*features.shape[:2], self.config.latent_dim, self.config.column_features)
        return ColumnContext(self.estimator(features), columns.reshape(shape))

    def score(
        self, columns: ColumnContext, table: QuantizerTable, tokens: Tokens, position: Position, num_layers: int
    ) -> Logits:
        """Logits ``[B, C, D, num_layers, V]`` of the layers from position on, each given its coarser digits."""
        config = self.config
        layers = jnp.minimum(position[..., None] + jnp.arange(num_layers), config.num_layers - 1)
        coordinates = at_layers(grid_coordinates(table, columns.latents, tokens), layers)
        estimated = self.digit_logits(coordinates, layers, table)

        prefix = self._prefix_embedding(tokens)
        bounded = jnp.clip(coordinates, -table.reach - 1, table.reach + 1)[..., None]
        pick = jax.nn.one_hot(layers, config.num_layers)
        inputs = jnp.concatenate(
            [
                jnp.broadcast_to(columns.context[..., None, :], (*layers.shape, config.column_features)),
                jnp.einsum("bcdnl,bcdle->bcdne", pick, prefix),
                jnp.einsum("bcdnl,dle->bcdne", pick, self.layer_embedding),
                bounded,
                bounded - jnp.round(bounded),
            ],
            axis=-1,
        )
        gain = jnp.einsum("bcdnl,l->bcdn", pick, self.correction_gain)[..., None]
        return estimated + gain * self.correction(inputs)

    def _prefix_embedding(self, tokens: Tokens) -> Float[Array, "B C D L E"]:
        """Sum of the embeddings of strictly coarser digits, for every layer."""
        one_hot = jax.nn.one_hot(tokens, self.config.num_levels)
        embedded = jnp.einsum("bcdlv,lve->bcdle", one_hot, self.digit_embedding)
        inclusive = jnp.cumsum(embedded, axis=-2)
        return jnp.pad(inclusive[..., :-1, :], ((0, 0),) * 3 + ((1, 0), (0, 0)))


def main_function(model: MainHead, params: PyTree, table: QuantizerTable) -> Callable[..., Logits]:
    """A main head with its arrays as what decoders call: ``(columns, tokens, position, *, num_layers) -> logits``.

    Args:
        model: the network.
        params: its parameters.
        table: of the tokenizer.

    Returns:
        A function whose first argument is what `MainHead.contextualise` returns (a `MainFn` of `rsd_jax.decoding`). It
        declares what the network does: its attribute ``column_local``.
    """

    def main(columns: ColumnContext, tokens: Tokens, position: Position, *, num_layers: int) -> Logits:
        logits = model.apply({"params": params}, columns, table, tokens, position, num_layers, method="score")
        return cast(jax.Array, logits)

    main.column_local = model.column_local  # type: ignore[attr-defined]
    return main
