"""A search for token strings whose later layers change the decoded action as much as possible.

What it finds is a lower limit of the largest change, `RfsqTokenizer.error_bound` an upper one.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from rsd_jax.array_types import Actions
from rsd_jax.rfsq import QuantizerTable, RfsqTokenizer
from rsd_jax.rfsq.scalar_quantizer import DigitConstants, existing_digit, level, orientation

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
    for depth, extremes in enumerate(extreme_suffixes(tokenizer.table)):
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


@jax.jit
def extreme_suffixes(table: QuantizerTable) -> Int[Array, "L+1 2 D L"]:
    """Tokens whose layers from row m on decode to the smallest and to the largest possible value of each latent.

    One step of a loop a layer, from the last one on: a program that repeats it for every layer compiles for seconds.
    """
    num_layers, latents = table.offset.shape
    digits, columns = jnp.arange(-table.reach, table.reach + 1)[:, None], jnp.arange(latents)
    # For both extremes the tokens, those of layers in front in the middle, and the value of the layers behind.
    neutral = jnp.full((2, latents, num_layers), table.reach, jnp.int32)
    nothing = jnp.zeros((2, latents), jnp.float32)

    def put_in_front(behind: tuple[jax.Array, jax.Array], layer: tuple[jax.Array, DigitConstants]) -> Any:
        (tokens, values), (index, constants) = behind, layer
        canonical = existing_digit(digits, constants.mode)
        sign = orientation(canonical, constants)
        candidates = level(canonical, constants)[:, None] + sign[:, None] * values
        flat = candidates.reshape(-1, latents)
        chosen = jnp.stack([jnp.argmin(flat, axis=0), jnp.argmax(flat, axis=0)])
        digit, end = jnp.divmod(chosen, 2)
        tokens = tokens[end, columns].at[..., index].set(canonical[digit, columns] + table.reach)
        return (tokens, flat[chosen, columns]), tokens

    constants = DigitConstants(table.offset, table.step, table.mode, table.fold)
    layers = (jnp.arange(num_layers), constants)
    _, suffixes = jax.lax.scan(put_in_front, (neutral, nothing), layers, reverse=True)
    return jnp.concatenate([suffixes, neutral[None]])
