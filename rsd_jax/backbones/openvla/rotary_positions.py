"""Places in the sequence, told to attention by turning queries and keys.

Su et al. 2021, "RoFormer" (arXiv 2104.09864), equation 34, in the layout of the published Llama weights: feature i of
a head is turned with feature i + E, of its 2 E, and not with its neighbour.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def rotation(places: Int[Array, "B N"], features: int, base: float) -> Float[Array, "2 B N 1 E"]:
    """Cosines and sines, float32, of the angles by which a token at each place is turned.

    Args:
        places: 0 for the first token.
        features: of a head; E, half of them, are the angles.
        base: of the wavelengths: pair i of them turns by ``base ** (-i / E)`` from one place to the next.
    """
    speeds = base ** (-jnp.arange(0, features, 2, dtype=jnp.float32) / features)
    angles = places.astype(jnp.float32)[..., None, None] * speeds
    return jnp.stack([jnp.cos(angles), jnp.sin(angles)])


def rotate(
    features: Float[Array, "B N H E2"], cosines_and_sines: Float[Array, "2 B N 1 E"]
) -> Float[Array, "B N H E2"]:
    """Queries or keys turned as `rotation` says; computed in float32."""
    cosines, sines = cosines_and_sines
    first, second = jnp.split(features.astype(jnp.float32), 2, axis=-1)
    turned = jnp.concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-1)
    return turned.astype(features.dtype)
