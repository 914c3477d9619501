"""How far other tokens can move an action at most: the constants of certified decoding, once for a tokenizer.

Two token strings of a latent that agree before layer l and differ there decode to values that lie apart by at most the
distance between the farthest ends of what each of the two digits can still become. Where one string ends before layer
l and the other goes on, they lie apart by at most the remainder of the layers from l on. A linear decoder adds the
latents' distances up, each with its weight. All bounds hold for every token string.
"""

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rsd_jax.rfsq.residual_quantizer import QuantizerTable
from rsd_jax.rfsq.scalar_quantizer import existing_digit, level, orientation
from rsd_jax.rfsq.tokenizer import RfsqTokenizer


@flax.struct.dataclass
class Certificate:
    """Bounds of a code and the weights of its latents.

    Actions are in half-ranges of the normalizer, in which clipping to -1 .. 1 can only make a change smaller; times
    `ActionNormalizer.half_range` they are in the dataset's units. The gripper comes last.

    Attributes:
        weight: change of each action dimension with each latent, absolute, ``float32 [A, D]``.
        remainder: largest change of a latent by leaving out the layers from l on, ``float32 [L + 1, D]``, in latent
            units; does not grow with l.
        lowest, highest: range of what layer l and those behind it decode to where its token is v, wherever the string
            ends, ``float32 [L, D, V]``, in latent units.
    """

    weight: Float[Array, "A D"]
    remainder: Float[Array, "N D"]
    lowest: Float[Array, "L D V"]
    highest: Float[Array, "L D V"]


def make_certificate(tokenizer: RfsqTokenizer) -> Certificate:
    """The certificate of a tokenizer.

    Raises:
        ValueError: its autoencoder mixes latents that may be left out into the gripper, which is never relaxed.
    """
    lowest, highest, remainder = _ranges(tokenizer.table)
    return Certificate(tokenizer.autoencoder.latent_weights(), remainder, lowest, highest)


@jax.jit
def _ranges(table: QuantizerTable) -> tuple[jax.Array, jax.Array, jax.Array]:
    # Of what the layers behind decode to, strings of any length: one that has ended adds nothing.
    low = high = jnp.zeros(table.offset.shape[1:], jnp.float32)
    digits = jnp.arange(-table.reach, table.reach + 1)[:, None]
    lowest, highest, remainder = [], [], [low]
    for constants in reversed(table.layers):
        digit = existing_digit(digits, constants.mode)
        value, mirrored = level(digit, constants), orientation(digit, constants) < 0
        lowest.append((value + jnp.where(mirrored, -high, low)).T)
        highest.append((value + jnp.where(mirrored, -low, high)).T)
        low, high = jnp.minimum(lowest[-1].min(axis=-1), 0.0), jnp.maximum(highest[-1].max(axis=-1), 0.0)
        remainder.append(jnp.maximum(remainder[-1], jnp.maximum(-low, high)))
    return jnp.stack(lowest[::-1]), jnp.stack(highest[::-1]), jnp.stack(remainder[::-1])
