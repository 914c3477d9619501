"""Actions as tokens: 256 values from -1 to 1, each a token at the end of Llama's vocabulary (OpenVLA, section 3.2).

A token stands for the middle between two values, so 255 actions can be told apart.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rsd_jax.backbones.openvla.configuration import VOCABULARY_PADDING

BINS = 256


def actions_of_tokens(ids: Int[Array, "*batch"], vocabulary: int) -> Float[Array, "*batch"]:
    """Normalised actions in (-1, 1).

    Args:
        ids: tokens; those that stand for no action count as the nearest that does.
        vocabulary: rows of the embedding table, padding included.
    """
    edges = np.linspace(-1.0, 1.0, BINS)
    centres = jnp.asarray((edges[:-1] + edges[1:]) / 2, jnp.float32)
    return centres[jnp.clip(vocabulary - VOCABULARY_PADDING - ids - 1, 0, BINS - 2)]


def tokens_of_actions(actions: Float[Array, "*batch"], vocabulary: int) -> Int[Array, "*batch"]:
    """Tokens of normalised actions, clipped to [-1, 1]: what a model of tokens learns to name."""
    edges = jnp.asarray(np.linspace(-1.0, 1.0, BINS), jnp.float32)
    return vocabulary - VOCABULARY_PADDING - jnp.digitize(jnp.clip(actions, -1.0, 1.0), edges)
