"""OpenVLA's action tokenizer: every number of an action in one of 256 uniform bins (arXiv 2406.09246, section 3.2)."""

from functools import partial

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.array_types import Actions, Tokens
from rsd_jax.rfsq.given_values import check_actions, check_integers


@flax.struct.dataclass
class UniformBins:
    """Uniform bins over [-1, 1], with the interface of `RfsqTokenizer`: one layer, a latent per action dimension.

    V boundaries from -1 to +1 make V - 1 bins. A token is how many boundaries a value has reached, less one: 0 for
    the first bin, V - 2 for the last, and V - 1 for +1 alone, which decodes to the last bin's middle as V - 2 does.
    This is how OpenVLA's code counts (``numpy.digitize``); its vocabulary holds the tokens backwards, from the last
    id down.

    Attributes:
        normalizer: dataset units to [-1, 1]; actions outside are clipped.
        chunk_length: C, steps of a chunk.
        num_levels: V, number of tokens, at least 2.
    """

    normalizer: ActionNormalizer
    chunk_length: int = flax.struct.field(pytree_node=False)
    num_levels: int = flax.struct.field(pytree_node=False, default=256)

    def __post_init__(self) -> None:
        """Checks that there is a bin."""
        if self.num_levels < 2:
            raise ValueError(f"num_levels is {self.num_levels}; it must be at least 2, the two ends of one bin")

    def tokenize(self, actions: ArrayLike) -> Tokens:
        """Tokens ``int32 [B, C, A, 1]`` of `actions` ``[B, C, A]`` in the dataset's own units.

        Raises:
            ValueError: on another chunk length or action dimension than the tokenizer's, or on a number that is not
                finite.
        """
        check_actions(actions, self.chunk_length, self.normalizer.center.shape[0])
        return self._tokenize(jnp.asarray(actions, jnp.float32))

    def detokenize(self, tokens: ArrayLike, num_layers: int | None = None) -> Actions:
        """Actions ``[B, C, A]`` in the dataset's units: the middles of the bins; the gripper is -1 or +1.

        Every integer decodes: those outside ``0 .. V - 1`` to the first or the last bin.

        Args:
            tokens: ``[B, C, A, 1]``.
            num_layers: 1, the default, or 0 for the middle of the range whatever the tokens.

        Raises:
            ValueError: if `num_layers` is neither, or if `tokens` has another shape or is not of integers.
        """
        if num_layers not in (None, 0, 1):
            raise ValueError(f"num_layers is {num_layers}; uniform bins have one layer, so it must be 0 or 1")
        shape, expected = np.shape(tokens), (self.chunk_length, self.normalizer.center.shape[0], 1)
        if shape[1:] != expected:
            raise ValueError(f"tokens has shape {shape}; this tokenizer takes [B, {', '.join(map(str, expected))}]")
        check_integers("tokens", tokens)
        return self._detokenize(jnp.asarray(tokens, jnp.int32), num_layers)

    @jax.jit
    def _tokenize(self, actions: Actions) -> Tokens:
        normalized = jnp.clip(self.normalizer.normalize(actions), -1.0, 1.0)
        reached = jnp.searchsorted(_first_of_bins(self.num_levels), normalized, side="right")
        return (reached - 1).astype(jnp.int32)[..., None]

    @partial(jax.jit, static_argnames="num_layers")
    def _detokenize(self, tokens: Tokens, num_layers: int | None) -> Actions:
        bins = jnp.clip(tokens[..., 0], 0, self.num_levels - 2)
        middles = jnp.asarray(_middles_of_bins(self.num_levels))[bins]
        return self.normalizer.denormalize(jnp.zeros_like(middles) if num_layers == 0 else middles)


def _boundaries(num_levels: int) -> NDArray[np.float64]:
    return np.linspace(-1.0, 1.0, num_levels)


def _first_of_bins(num_levels: int) -> NDArray[np.float32]:
    """The boundaries, rounded up: float32 values reach these exactly where they reach the float64 ones."""
    exact = _boundaries(num_levels)
    nearest = exact.astype(np.float32)
    return np.where(nearest < exact, np.nextafter(nearest, np.float32(np.inf)), nearest)


def _middles_of_bins(num_levels: int) -> NDArray[np.float32]:
    exact = _boundaries(num_levels)
    return ((exact[:-1] + exact[1:]) / 2).astype(np.float32)
