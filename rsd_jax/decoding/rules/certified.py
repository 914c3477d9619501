"""The rule that keeps what provably moves no action by more than a tolerance."""

from dataclasses import dataclass
from functools import reduce
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rsd_jax.array_types import PyTree, Tokens
from rsd_jax.decoding.interface import CodeShape
from rsd_jax.decoding.rules.interface import Verification
from rsd_jax.decoding.rules.most_likely_digits import MostLikelyDigits
from rsd_jax.most_likely import most_likely
from rsd_jax.rfsq.certificate import Certificate

_ROUNDING = 2e-6
"""What rounding in float32 can add to the distance of two decoded actions, in half-ranges."""


class CertifiedMemory(NamedTuple):
    """What is left of the tolerance.

    Attributes:
        left: of each action dimension and chunk step, in half-ranges, ``[B, C, A]``.
        departed: columns that have taken another digit than the main head's; whatever follows in them is paid for.
        certificate: the tokenizer's.
        saved: what a column that departs no longer owes, in latent units, ``[D]``: the remainder of where it ends.
        may_depart: latents that move no dimension without tolerance, ``[D]``.
    """

    left: Float[Array, "B C A"]
    departed: Bool[Array, "B C D"]
    certificate: Certificate
    saved: Float[Array, " D"]
    may_depart: Bool[Array, " D"]


@dataclass(frozen=True)
class Certified(MostLikelyDigits):
    """No motion dimension of any chunk step lies more than `epsilon` from what `autoregressive` would decode to.

    The bound is worst-case, over all that main head and draft could still say, and is spent in two ways:

    - *Early stop.* The layers behind a depth that follows from the tolerance alone are not decoded, as far as leaving
      them out moves no action by more: one remainder a latent, that of the layers that greedy decoding would add.
    - *Departure.* With what is left, a drafted digit stays in place of the main head's, if the farthest that two token
      strings with these two digits can lie apart still fits: the distance of the levels and two remainders, for both
      tails differ. From there on the column may go anywhere, and keeps all that is drafted.

    Remainders of a dimension's latents add up, each with its weight. The gripper is never relaxed, and a tolerance of
    0 is lossless to the last token. What holds is a statement about the actions that the first `DecodeResult.depth`
    layers of each column decode to (`RfsqTokenizer.detokenize_to`), up to float32 rounding of the dataset's units.

    Attributes:
        epsilon: in half-ranges of the normalizer, from 0 on: one for all motion dimensions, or one for each of them. A
            hundredth of a range is 0.02; ``epsilon * half_range`` is in the dataset's units.
    """

    epsilon: float | tuple[float, ...]

    draws: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Checks the tolerance."""
        given = self.epsilon if isinstance(self.epsilon, tuple) else (self.epsilon,)
        if not given or not all(0 <= each < float("inf") for each in given):
            raise ValueError(
                f"epsilon is {self.epsilon}; it must be finite and 0 or more, in half-ranges: one number for all "
                "motion dimensions, or one for each"
            )

    def start(
        self, shape: CodeShape, batch_size: int, certificate: Certificate | None
    ) -> tuple[PyTree, Int[Array, " D"]]:
        """The depth of each latent, and the tolerance that it leaves.

        Raises:
            ValueError: there is no certificate, or it is of another number of motion dimensions.
        """
        if certificate is None:
            raise ValueError(
                "certificate is None, and Certified needs the tokenizer's: rsd_jax.rfsq.make_certificate(tokenizer)"
            )
        tolerance = self._tolerance(certificate.weight.shape[0])
        affects = certificate.weight > 0
        depth = _depth(certificate, tolerance, affects)
        saved = jnp.take_along_axis(certificate.remainder, depth[None], axis=0)[0]
        spent = certificate.weight @ saved
        left = jnp.where(tolerance > 0, tolerance - spent - _ROUNDING, 0.0)
        memory = CertifiedMemory(
            left=jnp.broadcast_to(left, (batch_size, shape.chunk_length, len(tolerance))),
            departed=jnp.zeros((batch_size, shape.chunk_length, shape.latent_dim), bool),
            certificate=certificate,
            saved=saved,
            may_depart=_moves_only(affects, tolerance > 0),
        )
        return memory, depth

    def accept(self, memory: PyTree, round_: Verification) -> tuple[Bool[Array, "B C D L"], PyTree]:
        """The main head's digits, the first other one of a column that is affordable, and all behind it."""
        chosen = most_likely(round_.main_logits)
        agrees = round_.proposal == chosen
        differs = round_.is_drafted & ~agrees
        is_first = differs & (jnp.cumsum(differs, axis=-1) == 1)
        apart = farthest_apart(memory.certificate, round_.proposal, chosen)
        price = jnp.maximum(jnp.where(is_first, apart, 0.0).sum(axis=-1) - memory.saved, 0.0)
        wants = jnp.any(is_first, axis=-1) & ~memory.departed & memory.may_depart
        departs, left = _spend(memory.left, wants, price, memory.certificate.weight)
        departed = memory.departed | departs
        return agrees | departed[..., None], memory._replace(left=left, departed=departed)

    def _tolerance(self, action_dim: int) -> Float[Array, " A"]:
        motion = action_dim - 1
        each = self.epsilon if isinstance(self.epsilon, tuple) else (self.epsilon,) * motion
        if len(each) != motion:
            raise ValueError(
                f"epsilon is {self.epsilon}: {len(each)} numbers; the tokenizer's actions have {motion} motion "
                "dimensions, and the gripper, which is never relaxed"
            )
        return jnp.array([*each, 0.0], jnp.float32)


def farthest_apart(certificate: Certificate, one: Tokens, other: Tokens) -> Float[Array, "B C D L"]:
    """How far apart strings with these two digits, and any digits behind them, can decode; in latent units.

    For each layer by itself: the strings agree before it.
    """
    low_one, low_other = (_of_digit(certificate.lowest, tokens) for tokens in (one, other))
    high_one, high_other = (_of_digit(certificate.highest, tokens) for tokens in (one, other))
    return jnp.maximum(high_one - low_other, high_other - low_one)


def _of_digit(values: Float[Array, "L D V"], tokens: Tokens) -> Float[Array, "B C D L"]:
    num_levels = values.shape[-1]
    by_layer = values.swapaxes(0, 1)
    within = jnp.clip(tokens, 0, num_levels - 1)  # other tokens are read as the nearest
    of_levels = [jnp.where(within == level, by_layer[..., level], 0.0) for level in range(num_levels)]
    return reduce(jnp.add, of_levels)


def _depth(certificate: Certificate, tolerance: Float[Array, " A"], affects: Bool[Array, "A D"]) -> Int[Array, " D"]:
    """How many layers of each latent are decoded: the fewest that all dimensions it moves are content with."""
    num_layers = len(certificate.remainder) - 1
    moved = certificate.weight @ certificate.remainder.T  # [A, L + 1]: by stopping all latents at one layer
    is_enough = moved + _ROUNDING <= tolerance[:, None]
    layer = jnp.arange(num_layers + 1, dtype=jnp.int32)
    of_dimension = jnp.min(jnp.where(is_enough, layer, num_layers), axis=-1)
    depth = jnp.max(jnp.where(affects, of_dimension[:, None], 0), axis=0)
    depth = jnp.where(jnp.any(affects, axis=0), depth, num_layers)
    # Layers that add nothing to what stopping there costs anyway need not be decoded either.
    costs_no_more = certificate.remainder <= jnp.take_along_axis(certificate.remainder, depth[None], axis=0)
    earliest = jnp.min(jnp.where(costs_no_more, layer[:, None], num_layers), axis=0)
    return jnp.where(depth < num_layers, earliest, num_layers)


def _moves_only(affects: Bool[Array, "A D"], is_allowed: Bool[Array, " A"]) -> Bool[Array, " D"]:
    return jnp.any(affects, axis=0) & ~jnp.any(affects & ~is_allowed[:, None], axis=0)


def _spend(
    left: Float[Array, "B C A"],
    wants: Bool[Array, "B C D"],
    price: Float[Array, "B C D"],
    weight: Float[Array, "A D"],
) -> tuple[Bool[Array, "B C D"], Float[Array, "B C A"]]:
    """Which of the columns that want to depart can, in their order, and what remains."""
    free = weight == 0
    alone = jnp.all(free | (weight * price[:, :, None] <= left[..., None]), axis=2)
    asked = weight * jnp.where(wants & alone, price, 0.0)[:, :, None]  # [B, C, A, D]
    departs = wants & alone & jnp.all(free | (jnp.cumsum(asked, axis=-1) <= left[..., None]), axis=2)
    paid = jnp.where(departs[:, :, None], asked, 0.0).sum(axis=-1)
    return departs, left - paid
