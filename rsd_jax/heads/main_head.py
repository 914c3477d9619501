"""The main head: the target model, autoregressive over the layers of every column."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from rsd_jax.array_types import Features, Latents, Logits, Position, PyTree, Tokens
from rsd_jax.heads.blank_inputs import blank_inputs
from rsd_jax.heads.correction import Correction
from rsd_jax.heads.digit_logits import DigitLogits
from rsd_jax.heads.latent_estimator import LatentEstimator
from rsd_jax.heads.layer_choice import LayerChoice, SameLayers, choose_layers
from rsd_jax.heads.mode_lock import ModeLock
from rsd_jax.partitioned_layers import AxisName, Dense, LayerNorm
from rsd_jax.rfsq import QuantizerTable, grid_coordinates

DIGIT_LOGITS = "digit_logits"
"""Name of the parameters of `DigitLogits` among a head's."""


@dataclass(frozen=True)
class MainHeadConfig:
    """Size of the main head.

    Attributes:
        num_layers: L of the code. latent_dim: D. num_levels: V.
        width: of the latent estimator; depth: its residual blocks.
        column_features: width of a column's own context and of its prefix embedding.
        mode_locked: whether a column sees the coarser digits of all columns, and not of itself alone (`ModeLock`).
    """

    num_layers: int = 8
    latent_dim: int = 16
    num_levels: int = 7
    width: int = 128
    depth: int = 2
    column_features: int = 16
    mode_locked: bool = False


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
    """p(c_l | c_<l, features): distance logits of a latent estimate plus a learned correction.

    The correction sees the column's context, the embedded coarser digits c_<l of the same column, and where the
    estimate lies in the layer's grid; it starts at zero. Mode-locked it also sees a summary of the coarser digits of
    all columns. Then all columns have to stand at the same layer, so that it is decoded layer by layer or by fixed
    point, and nothing drafts for it.

    Attributes:
        config: its size.
    """

    config: MainHeadConfig

    @property
    def column_local(self) -> bool:
        """What it is of digits (`rsd_jax.decoding.column_local`): the context, which sees all, is made of no digit."""
        return not self.config.mode_locked

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
        if config.mode_locked:
            self.mode_lock = ModeLock(2 * wide)
        self.digit_logits = DigitLogits(config.latent_dim, config.num_layers, config.num_levels)
        # Context, prefix, layer, place in the grid, its fraction, and the summary of all columns where there is one.
        parts = (wide, wide, wide, 1, 1, *([2 * wide] if config.mode_locked else []))
        self.correction = Correction(parts, 4 * wide, config.num_levels)
        self.correction_gain = self.param(
            "correction_gain",
            nn.with_logical_partitioning(nn.initializers.zeros_init(), (None,)),
            (config.num_layers,),
        )

    def __call__(
        self, features: Features, table: QuantizerTable, tokens: Tokens, position: Position | int, num_layers: int
    ) -> Logits:
        """Context and scores in one call."""
        return self.score(self.contextualise(features), table, tokens, position, num_layers)

    def contextualise(self, features: Features) -> ColumnContext:
        """What does not depend on tokens, computed once a chunk."""
        columns = self.column_context(self.context_norm(features))
        shape = (*features.shape[:2], self.config.latent_dim, self.config.column_features)
        return ColumnContext(self.estimator(features), columns.reshape(shape))

    def score(
        self, columns: ColumnContext, table: QuantizerTable, tokens: Tokens, position: Position | int, num_layers: int
    ) -> Logits:
        """Logits ``[B, C, D, num_layers, V]`` of the layers from position on, each given its coarser digits.

        A number is the position of every column, known while tracing: slices then stand in for picking layers column
        by column, and nothing is computed of digits that no scored layer sees.
        """
        config = self.config
        layers = choose_layers(position, num_layers, config.num_layers)
        coordinates = layers.of_columns(grid_coordinates(table, columns.latents, tokens))
        estimated = self.digit_logits(coordinates, layers, table)

        bounded = jnp.clip(coordinates, -table.reach - 1, table.reach + 1)[..., None]
        of_context, of_prefix, of_layer, of_place, of_fraction, *of_summary = self.correction.rows()
        products = [
            (columns.context @ of_context)[..., None, :],
            self._prefix_sum(tokens, layers, self.digit_embedding @ of_prefix),
            layers.of_digits(self.layer_embedding @ of_layer),
            bounded * of_place[0],
            (bounded - jnp.round(bounded)) * of_fraction[0],
            *(self._summary(tokens, layers) @ rows for rows in of_summary),
        ]
        gain = layers.of_digits(jnp.broadcast_to(self.correction_gain, table.step.T.shape))[..., None]
        return estimated + gain * self.correction(products)

    def _summary(self, tokens: Tokens, layers: LayerChoice) -> Float[Array, "B C D N H"]:
        """What the mode lock tells every scored layer of all columns' coarser digits."""
        everything = SameLayers(0, self.config.num_layers, self.config.num_layers)
        seen = layers if isinstance(layers, SameLayers) else everything
        summary = self.mode_lock(self._prefix_sum(tokens, seen, self.digit_embedding))[:, None, None]
        summary = jnp.broadcast_to(summary, (*tokens.shape[:-1], *summary.shape[3:]))
        return summary if isinstance(layers, SameLayers) else layers.of_columns(summary)

    def _prefix_sum(
        self, tokens: Tokens, layers: LayerChoice, embedding: Float[Array, "L V H"]
    ) -> Float[Array, "B C D N H"]:
        """Sum of the embeddings of strictly coarser digits, for every scored layer.

        One product of one-hot digits, of layers that are known, with the embeddings where the scored layer is finer.
        """
        if isinstance(layers, SameLayers):
            scored = np.minimum(layers.first + np.arange(layers.count), layers.num_layers - 1)
            seen = int(scored.max())
            if not seen:
                return jnp.zeros((*tokens.shape[:-1], layers.count, embedding.shape[-1]))
            is_coarser = jnp.asarray(np.arange(seen)[:, None] < scored)
            of_layers = jnp.where(is_coarser[:, None, :, None], embedding[:seen, :, None, :], 0.0)
            one_hot = jax.nn.one_hot(tokens[..., :seen], self.config.num_levels)
            return jnp.einsum("bcdlv,lvnh->bcdnh", one_hot, of_layers)
        embedded = jnp.einsum("bcdlv,lvh->bcdlh", jax.nn.one_hot(tokens, self.config.num_levels), embedding)
        inclusive = jnp.cumsum(embedded, axis=-2)
        return layers.of_columns(jnp.pad(inclusive[..., :-1, :], ((0, 0),) * 3 + ((1, 0), (0, 0))))


def draw_main_head(model: MainHead, key: jax.Array, chunk_length: int, feature_dim: int) -> PyTree:
    """Draws the parameters of a main head for chunks of C steps with F features; traceable, consumes `key`."""
    features, table, tokens = blank_inputs(model.config, chunk_length, feature_dim)
    return model.init(key, features, table, tokens, tokens[..., 0], 1)["params"]


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

    def main(columns: ColumnContext, tokens: Tokens, position: Position | int, *, num_layers: int) -> Logits:
        logits = model.apply({"params": params}, columns, table, tokens, position, num_layers, method="score")
        return cast(jax.Array, logits)

    main.column_local = model.column_local  # type: ignore[attr-defined]
    return main
