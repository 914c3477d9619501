"""Digits of a residual code in the slots of a language model: as what slots enter, what they see, and what is read.

::

    [begin] [patches] [state] [prompt ... empty] [56 slots of layer 0] [56 slots of layer 1] ... [padding]
    |------------------ context ----------------|

A slot is one action dimension of one step at one layer, shared by the latents that stand for the dimension. It enters
as the digits of the layer before it, those of layer 0 as nothing but their layer, and leaves as the logits of its own:
so a chunk whose layers before K are drafted has 56 (K + 1) slots, and K + 1 layers are scored.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import NDArray

from rsd_jax.array_types import Logits, Position, Tokens


@dataclass(frozen=True)
class DigitCode:
    """A residual code whose latents each stand for an action dimension.

    Attributes:
        chunk_length: C. num_layers: L. num_levels: V.
        dimension_of_latent: the action dimension that each of the D latents stands for, 0 to A - 1. By default as the
            `staggered` tokenizer has them.
        is_mode_locked: whether a slot sees the coarser slots of all dimensions and steps, and not its own alone.
    """

    chunk_length: int = 8
    num_layers: int = 8
    num_levels: int = 7
    dimension_of_latent: tuple[int, ...] = (0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6)
    is_mode_locked: bool = False

    def __post_init__(self) -> None:
        """Checks layers and dimensions."""
        if self.num_layers < 2:
            raise ValueError(f"num_layers is {self.num_layers}; it must be at least 2, or there are no coarser layers")
        if self.dimension_of_latent != tuple(np.unique(self.dimension_of_latent, return_inverse=True)[1]):
            raise ValueError(
                f"dimension_of_latent is {self.dimension_of_latent}; each action dimension from 0 on must occur. Give "
                "the dimension that each latent of the tokenizer stands for"
            )

    @property
    def latent_dim(self) -> int:
        """D."""
        return len(self.dimension_of_latent)

    @property
    def action_dim(self) -> int:
        """A."""
        return max(self.dimension_of_latent) + 1

    @property
    def slots(self) -> int:
        """Slots of a layer, C * A."""
        return self.chunk_length * self.action_dim

    @property
    def column_sets(self) -> NDArray[np.integer]:
        """Which columns see each other's coarser digits, ``[C, D]``: those of a slot, or mode-locked all."""
        if self.is_mode_locked:
            return np.zeros((self.chunk_length, self.latent_dim), int)
        first = np.arange(self.chunk_length)[:, None] * self.action_dim
        return first + np.asarray(self.dimension_of_latent)

    def layers_of_slots(self, position: Position | int, num_layers: int, batch_size: int) -> Int[Array, "B N"]:
        """The layer of each slot of a pass that scores `num_layers` layers from each column's position on.

        Slots are in the order of layers, steps and dimensions. Columns that share a slot must stand at one position.
        """
        latents = np.unique(self.dimension_of_latent, return_index=True)[1]
        columns = (batch_size, self.chunk_length, self.action_dim)
        of_dimension = jnp.full(columns, position) if isinstance(position, int) else position[:, :, latents]
        layers = of_dimension[:, None] + jnp.arange(num_layers)[:, None, None]
        return layers.reshape(batch_size, -1)

    def is_seen(self, layers: Int[Array, "B N"], lengths: Int[Array, "B"], context: int) -> Bool[Array, "B N R"]:
        """What each slot of a pass attends to, of `context` places and the slots of all layers behind them.

        It sees the context without its padding, and of the slots of its own dimension and step, or mode-locked of all,
        those up to its own layer: these have entered as the digits of coarser layers.

        Args:
            layers: of the slots, as `layers_of_slots` has them.
            lengths: of each row's context.
            context: its places, padding included.
        """
        batch_size, count = layers.shape
        of_context = jnp.arange(context) < lengths[:, None, None]
        own = np.arange(count) % self.slots
        is_coarser = jnp.arange(self.num_layers)[:, None] <= layers[..., None, None]
        is_own = own[:, None, None] == np.arange(self.slots)
        of_slots = is_coarser & (True if self.is_mode_locked else is_own)
        of_slots = jnp.broadcast_to(of_slots, (batch_size, count, self.num_layers, self.slots))
        of_context = jnp.broadcast_to(of_context, (batch_size, count, context))
        return jnp.concatenate([of_context, of_slots.reshape(batch_size, count, -1)], axis=-1)


class DigitSlots(nn.Module):
    """From digits to what slots enter the language model as, and from the slots' states to logits of digits.

    Attributes:
        code: whose digits.
        width: of the language model.
    """

    code: DigitCode
    width: int

    def setup(self) -> None:
        """Creates the embeddings of digits and layers, and the kernel of the logits."""
        code, normal = self.code, nn.initializers.normal(0.02)
        layers, latents, levels = code.num_layers, code.latent_dim, code.num_levels

        def named(*axes: str | None) -> nn.initializers.Initializer:
            return nn.with_logical_partitioning(normal, axes)

        digits, kernel = (layers - 1, latents, levels, self.width), (latents, self.width, levels)
        self.digit_embedding = self.param("digit_embedding", named(None, None, None, "embed"), digits)
        self.layer_embedding = self.param("layer_embedding", named(None, "embed"), (layers, self.width))
        self.kernel = self.param("kernel", named(None, "embed", None), kernel)

    def enter(self, tokens: Tokens, layers: Int[Array, "B N"]) -> Float[Array, "B N F"]:
        """What slots enter the language model as: the sum of their digits one layer before, and their layer's own.

        Args:
            tokens: digits, of which those before the slots' layers are read.
            layers: of the slots, as `DigitCode.layers_of_slots` has them; those behind the last enter as anything.
        """
        code, batch_size = self.code, len(tokens)
        dimensions = np.asarray(code.dimension_of_latent)
        by_layer = layers.reshape(batch_size, -1, code.chunk_length, code.action_dim)
        before = by_layer[..., dimensions] - 1  # [B, N, C, D]
        read = jnp.clip(before, 0, code.num_layers - 2)
        digits = jnp.take_along_axis(jnp.moveaxis(tokens, -1, 1), read, axis=1)
        embedded = self.digit_embedding[read, np.arange(code.latent_dim), digits]
        embedded = jnp.where((before >= 0)[..., None], embedded, 0)
        # Sums written out, in one order: passes over other numbers of slots then add up to the same.
        shared = [embedded[:, :, :, dimensions == each].sum(axis=3) for each in range(code.action_dim)]
        of_layer = self.layer_embedding[jnp.minimum(by_layer, code.num_layers - 1)]
        return (jnp.stack(shared, axis=3) + of_layer).reshape(*layers.shape, self.width)

    def logits(self, states: Float[Array, "B N F"]) -> Logits:
        """Logits of the digits of each slot's layer, float32, ``[B, C, D, layers, V]``, of the slots' states."""
        code = self.code
        by_layer = states.reshape(len(states), -1, code.chunk_length, code.action_dim, self.width)
        of_latents = by_layer[:, :, :, np.asarray(code.dimension_of_latent)]
        return jnp.einsum("bncdf,dfv->bcdnv", of_latents, self.kernel, preferred_element_type=jnp.float32)
