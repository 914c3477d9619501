"""A search for token strings whose later layers change the decoded action as much as possible.

What it finds is a lower limit of the largest change, `RfsqTokenizer.error_bound` an upper one.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from rsd_jax.array_types import Actions
from rsd_jax.rfsq import QuantizerTable, RfsqTokenizer
from rsd_jax.rfsq.scalar_quantizer import existing_digit, level, orientation

STRINGS = 64
"""Strings kept for each action dimension."""

SWEEPS = 24
"""How often every column of every string is tried anew."""


def largest_change_found(tokenizer: RfsqTokenizer, seed: int) -> NDArray[np.float32]:
    """Largest changes of decoded actions, in the action's units: ``[L + 1, A]``, row m for what layers m .. L - 1 do.

    Random strings, improved column by column: a column's prefix is drawn anew and its later layers are those that move
    its latent furthest up or down, and what enlarges the change of the string's own action dimension is kept.
    """
    tokenizer = dataclasses.replace(tokenizer, chunk_length=1)  # every step of a chunk decodes by itself
    found = []
    for depth in range(tokenizer.num_layers + 1):
        extremes = extreme_suffixes(tokenizer.table, depth)
        found.append(np.asarray(_search(tokenizer, extremes, jnp.asarray(depth), jax.random.key(seed))))
    return np.stack(found)


@jax.jit
def _search(
    tokenizer: RfsqTokenizer, extremes: Int[Array, "2 D L"], depth: Int[Array, ""], key: jax.Array
) -> Float[Array, " A"]:
    latents, num_layers = tokenizer.latent_dim, tokenizer.num_layers
    dimensions = tokenizer.autoencoder.action_dim
    own_dimension = jnp.repeat(jnp.arange(dimensions), STRINGS)[:, None]

    def change(tokens: Int[Array, "N 1 D L"]) -> Float[Array, " N"]:
        difference = jnp.abs(tokenizer.detokenize(tokens) - _detokenize_prefix(tokenizer, tokens, depth))[:, 0]
        return jnp.take_along_axis(difference, own_dimension, axis=1)[:, 0]

    def improve(carry: tuple[jax.Array, jax.Array], step: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        tokens, best = carry
        column = step % latents
        prefix_key, keep_key, side_key = jax.random.split(jax.random.fold_in(key, step), 3)
        drawn = jax.random.randint(prefix_key, (len(tokens), num_layers), 0, tokenizer.table.num_levels)
        keep = jax.random.bernoulli(keep_key, 0.5, (len(tokens), 1))
        side = jax.random.randint(side_key, (len(tokens),), 0, 2)
        prefix = jnp.where(keep, tokens[:, 0, column], drawn)
        proposal = jnp.where(jnp.arange(num_layers) < depth, prefix, extremes[side, column])
        proposed = tokens.at[:, 0, column].set(proposal)
        value = change(proposed)
        better = value > best
        return (jnp.where(better[:, None, None, None], proposed, tokens), jnp.maximum(value, best)), None

    shape = (dimensions * STRINGS, 1, latents, num_layers)
    tokens = jax.random.randint(key, shape, 0, tokenizer.table.num_levels)
    (_, best), _ = jax.lax.scan(improve, (tokens, change(tokens)), jnp.arange(SWEEPS * latents))
    return best.reshape(dimensions, STRINGS).max(axis=1)


def _detokenize_prefix(tokenizer: RfsqTokenizer, tokens: Int[Array, "N 1 D L"], depth: Int[Array, ""]) -> Actions:
    """`RfsqTokenizer.detokenize` of a depth that is no constant of the program, so that one serves all depths."""
    table = tokenizer.table
    latents = jnp.zeros(tokens.shape[:-1], jnp.float32)
    for layer, constants in reversed(list(enumerate(table.layers))):
        digit = existing_digit(tokens[..., layer] - table.reach, constants.mode)
        decoded = level(digit, constants) + orientation(digit, constants) * latents
        latents = jnp.where(layer < depth, decoded, latents)
    return tokenizer.normalizer.denormalize(tokenizer.autoencoder.decode(tokenizer.params, latents))


@partial(jax.jit, static_argnames="depth")
def extreme_suffixes(table: QuantizerTable, depth: int) -> Int[Array, "2 D L"]:
    """Tokens whose layers from `depth` on decode to the smallest and to the largest possible value of each latent."""
    latents = table.offset.shape[1]
    zero = jnp.zeros(latents, jnp.float32)
    # For both extremes the value so far, and the tokens of the layers behind.
    ends = [(zero, jnp.zeros((latents, 0), jnp.int32))] * 2
    for constants in reversed(table.layers[depth:]):
        candidates = []
        for digit in range(-table.reach, table.reach + 1):
            canonical = existing_digit(jnp.full(latents, digit), constants.mode)
            sign = orientation(canonical, constants)
            for value, tail in ends:
                tokens = jnp.concatenate([canonical[:, None] + table.reach, tail], axis=1)
                candidates.append((level(canonical, constants) + sign * value, tokens))
        values = jnp.stack([value for value, _ in candidates])
        tails = jnp.stack([tail for _, tail in candidates])
        ends = []
        for chosen in (jnp.argmin(values, axis=0), jnp.argmax(values, axis=0)):
            columns = jnp.arange(latents)
            ends.append((values[chosen, columns], tails[chosen, columns]))
    before = jnp.full((latents, depth), table.reach, jnp.int32)
    return jnp.stack([jnp.concatenate([before, tail], axis=1) for _, tail in ends])
