"""A draft whose acceptance is replayed: digits are accepted at random, as often as told, whatever the model says.

    python -m tests.benchmarks.replayed_acceptance

prints the rounds that a chunk of the `staggered` code takes then, which no model and no device change.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rsd_jax.backbones.openvla.digit_slots import DigitCode
from rsd_jax.decoding import CodeShape, LosslessGreedy, columns_in_sets, speculative
from rsd_jax.decoding.rules import Verification
from rsd_jax.rfsq.strategies import Staggered


@dataclass(frozen=True, eq=False)
class ReplayedAcceptance(LosslessGreedy):
    """In place of agreement with random weights, which means nothing.

    Attributes:
        chance: that a drafted digit is right, given that those before it are: the same for all, and independent, which
            is the worst case for a slowest column.
        informative: digits that can take more than one level, ``[D, L]``; the others are always right.
    """

    chance: jax.Array
    informative: jax.Array

    draws: ClassVar[bool] = True

    def accept(self, memory: Any, round_: Verification) -> tuple[jax.Array, Any]:
        """By the keys of the round."""
        drawn = jax.vmap(lambda key: jax.random.uniform(key, round_.proposal.shape[1:]))(round_.keys)
        return (drawn < self.chance) | ~self.informative, memory


def blank_draft(features: Any, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
    """Level 0 everywhere, at no cost: which digits are drafted changes no time."""
    return jnp.zeros((*tokens.shape, 1))


def break_even(acceptances: list[float], speed_ups: list[float]) -> float | None:
    """The acceptance from which on the speed-up is 1 or more, interpolated; None where it is not at the last.

    Args:
        acceptances: ascending.
        speed_ups: at each of them.
    """
    below = np.flatnonzero(np.asarray(speed_ups) < 1)
    if not below.size:
        return acceptances[0]
    last = int(below[-1])
    if last == len(speed_ups) - 1:
        return None
    return float(np.interp(1.0, speed_ups[last : last + 2], acceptances[last : last + 2]))


def mean_rounds(code: DigitCode, draft_layers: int, acceptances: list[float], traces: int) -> list[float]:
    """Rounds of a chunk on average over random traces, by replay, of the `staggered` code."""
    informative = Staggered().fixed_table().informative
    shape = CodeShape(code.chunk_length, code.latent_dim, code.num_layers, draft_layers, informative)
    keys = jax.random.split(jax.random.key(0), traces)

    def main(features: Any, tokens: jax.Array, position: jax.Array | int, *, num_layers: int) -> jax.Array:
        return jnp.zeros((*tokens.shape[:-1], num_layers, code.num_levels))

    @jax.jit
    def replay(chance: jax.Array) -> jax.Array:
        rule, blind = ReplayedAcceptance(chance, informative.T), columns_in_sets(main, code.column_sets)
        return speculative(None, blank_draft, blind, rule, shape, traces, keys=keys).rounds.mean()

    return [float(replay(jnp.float32(chance))) for chance in acceptances]


def print_rounds() -> None:
    acceptances = [0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 1.0]
    print(f"| drafted | slots see | {' | '.join(map(str, acceptances))} |")
    print("| --- " * (2 + len(acceptances)) + "|")
    for draft_layers in (1, 2, 3, 7):
        for name, is_mode_locked in (("their own", False), ("all", True)):
            rounds = mean_rounds(DigitCode(is_mode_locked=is_mode_locked), draft_layers, acceptances, traces=256)
            print(f"| {draft_layers} | {name} | {' | '.join(f'{each:.1f}' for each in rounds)} |")


if __name__ == "__main__":
    print_rounds()
