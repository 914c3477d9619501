"""The rule that keeps drafted tokens so that what is decoded is a draw from the main head's own distribution."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rsd_jax.array_types import Logits, Position, PyTree, Tokens
from rsd_jax.decoding.interface import CodeShape
from rsd_jax.decoding.rules.interface import Verification, whole_code
from rsd_jax.most_likely import most_likely
from rsd_jax.rfsq.certificate import Certificate

_DRAFT, _ACCEPT, _REPLACE = range(3)
"""Streams of a round's key."""


@dataclass(frozen=True)
class LosslessSampling:
    """Speculative sampling, digit by digit (an `AcceptanceRule`).

    The digit x that is drafted from q stays with probability min(1, p(x) / q(x)); else one is drawn from the
    normalized (p - q)+, so that either way it is distributed as p (Leviathan et al. 2023, arXiv 2211.17192, appendix
    A.1; Chen et al. 2023, arXiv 2302.01318). p is the main head's distribution given the coarser digits of the column;
    digits of a layer are independent of each other given those, so that a replaced digit ends its own column's round
    and no other's. The layer behind a draft that is wholly accepted is drawn from p itself.

    Attributes:
        temperature: by which logits are divided, above 0; `LosslessGreedy` is the limit of 0.
        top_k: how many of a digit's most likely levels can be drawn, levels as likely as the last of them included;
            None for all. Applied to p and q alike.
    """

    temperature: float = 1.0
    top_k: int | None = None

    draws: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Checks the settings."""
        if not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"temperature is {self.temperature}; it must be finite and above 0. LosslessGreedy is the limit of 0"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}; it must be 1 or more levels, or None for all")

    def start(
        self, shape: CodeShape, batch_size: int, certificate: Certificate | None
    ) -> tuple[PyTree, Int[Array, " D"]]:
        """Nothing to remember; all layers."""
        return (), whole_code(shape)

    def propose(self, draft_logits: Logits, keys: jax.Array | None) -> Tokens:
        """Draws from the draft's distribution."""
        return _draw(self._of_draft(draft_logits), keys, _DRAFT)

    def accept(self, memory: PyTree, round_: Verification) -> tuple[Bool[Array, "B C D L"], PyTree]:
        """Each digit by a number of its own between 0 and 1."""
        is_level = jnp.arange(round_.main_logits.shape[-1]) == round_.proposal[..., None]
        p, q = self.distribution(round_.main_logits), self._draft_by_layer(round_)
        p, q = (jnp.where(is_level, each, 0.0).sum(axis=-1) for each in (p, q))
        chance = _of_rows(lambda key: jax.random.uniform(key, p.shape[1:]), round_.keys, _ACCEPT)
        return chance * q < p, memory

    def replace(self, round_: Verification, stop: Position) -> Int[Array, "B C D N"]:
        """A draw from what the draft left of p at this layer: (p - q)+, or p where nothing was drafted."""
        is_stop = (jnp.arange(round_.proposal.shape[-1]) == stop[..., None])[..., None]
        p, q = self.distribution(round_.main_logits), self._draft_by_layer(round_)
        p, q = (jnp.where(is_stop, each, 0.0).sum(axis=-2) for each in (p, q))
        return _draw(left_over(p, q), round_.keys, _REPLACE)[..., None]

    def distribution(self, logits: Float[Array, "... V"]) -> Float[Array, "... V"]:
        """Probabilities of the levels."""
        scaled = logits / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            last = jax.lax.top_k(scaled, self.top_k)[0][..., -1:]
            scaled = jnp.where(scaled >= last, scaled, -jnp.inf)
        return jax.nn.softmax(scaled, axis=-1)

    def _of_draft(self, logits: Logits) -> Float[Array, "B C D L V"]:
        # Whatever a draft says must be a distribution: the one that is drawn from is the one that p is compared with.
        return self.distribution(jnp.nan_to_num(logits, nan=0.0, posinf=1e9, neginf=-1e9))

    def _draft_by_layer(self, round_: Verification) -> Float[Array, "B C D L V"]:
        """Q in the layers that are drafted, 0 in others."""
        return jnp.where(round_.is_drafted[..., None], self._of_draft(round_.draft_logits), 0.0)


def left_over(p: Float[Array, "... V"], q: Float[Array, "... V"]) -> Float[Array, "... V"]:
    """(p - q)+, not normalized; p where rounding leaves nothing of it."""
    left = jnp.maximum(p - q, 0.0)
    return jnp.where(left.sum(axis=-1, keepdims=True) > 0, left, p)


def _draw(weights: Float[Array, "B C D *N V"], keys: jax.Array | None, stream: int) -> Int[Array, "B C D *N"]:
    """A level for each digit, as likely as its weight."""
    noise = _of_rows(lambda key: jax.random.gumbel(key, weights.shape[1:]), keys, stream)
    return most_likely(jnp.log(weights) + noise)


def _of_rows(draw: Callable[[jax.Array], jax.Array], keys: jax.Array | None, stream: int) -> jax.Array:
    """What each row draws with its own key."""
    assert keys is not None, "a rule that draws got no keys"
    return jax.vmap(lambda key: draw(jax.random.fold_in(key, stream)))(keys)
