"""What a cascade would have done by another rule: calls of watched episodes, decided on once more.

A watched episode holds at every call what the draft policy proposes for every age of the last look and what the main
model would do. With them the looks of any rule follow, call after call, by the same functions that decide when the
cascade acts. The frames stay those of the episode as it was run: what a rule's other actions would have led to is
checked by running it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from numpy.typing import NDArray

from eval_bridge.episodes.shadow import EpisodeShadow
from rsd_jax.actions.normalizer import GRIPPER
from rsd_jax.decoding.skip_rules import SkipEvidence, SkipRule, SkipState, draft_distance, must_look, next_state
from rsd_jax.rfsq import RfsqTokenizer


class WatchedCalls(NamedTuple):
    """Watched episodes side by side, M calls each, actions in half-ranges; behind an episode's end, zeros.

    Attributes:
        drafted: the draft policy's chunks by the age of the last look, ``[E, M, H, C, A]``. coarse: of coarse layers.
        foreseen: the main model's chunks of coarse layers, ``[E, M, N, C, A]``. acted: its chunk to act on.
        expected: distances that the draft policy expected, ``[E, M, H]``.
        looked: whether the main model was acted on when the episode was run, ``[E, M]``.
        is_call: False behind an episode's end, ``[E, M]``.
    """

    drafted: Float[Array, "E M H C A"]
    coarse: Float[Array, "E M H C A"]
    foreseen: Float[Array, "E M N C A"]
    acted: Float[Array, "E M C A"]
    expected: Float[Array, "E M H"]
    looked: Bool[Array, "E M"]
    is_call: Bool[Array, "E M"]


class Decisions(NamedTuple):
    """What was decided at every call.

    Attributes:
        skipped: whether the draft acted, ``[.., M]``; False behind an episode's end.
        distance: of the draft that was decided on from the main model's chunk, ``[.., M]`` (`draft_distance`).
    """

    skipped: NDArray[np.bool_]
    distance: NDArray[np.float32]

    def of_threshold(self, index: int) -> "Decisions":
        """Of several thresholds', those of one."""
        return Decisions(self.skipped[index], self.distance[index])

    def losses(self, calls: NDArray[np.integer], epsilon: float) -> NDArray[np.float64]:
        """Of each episode, the share of its `calls` at which a draft acted that lies further than `epsilon`."""
        far = self.skipped & (self.distance > epsilon)
        return np.asarray(far.sum(axis=-1) / calls)

    def skip_shares(self, calls: NDArray[np.integer]) -> NDArray[np.float64]:
        """Of each episode, the share of its `calls` that did without a look."""
        return np.asarray(self.skipped.sum(axis=-1) / calls)


def watched_calls(shadows: Sequence[EpisodeShadow], tokenizer: RfsqTokenizer, coarse_layers: int) -> WatchedCalls:
    """Decodes what watched episodes hold.

    Raises:
        ValueError: no episode, or episodes of cascades of different kinds.
    """
    kinds = {(shadow.drafted.shape[1:], shadow.foreseen.shape[1:]) for shadow in shadows}
    if len(kinds) != 1:
        raise ValueError(f"shadows are of {len(kinds)} kinds, {sorted(map(str, kinds))}; they must be of one")
    longest = max(len(shadow.looked) for shadow in shadows)

    def together(name: str) -> NDArray[np.generic]:
        arrays = [getattr(shadow, name) for shadow in shadows]
        return np.stack([np.pad(array, [(0, longest - len(array)), *[(0, 0)] * (array.ndim - 1)]) for array in arrays])

    def decode(tokens: NDArray[np.generic], num_layers: int | None = None) -> jax.Array:
        chunks = tokenizer.detokenize(tokens.reshape(-1, *tokens.shape[-3:]).astype(np.int32), num_layers)
        return tokenizer.normalizer.normalize(chunks).reshape(*tokens.shape[:-3], *chunks.shape[1:])

    drafted, foreseen = together("drafted"), together("foreseen")
    whole, foreseen_whole = decode(drafted), decode(foreseen)
    coarse, foreseen_coarse = (
        decode(tokens, coarse_layers).at[..., GRIPPER].set(actions[..., GRIPPER])
        for tokens, actions in ((drafted, whole), (foreseen, foreseen_whole))
    )
    return WatchedCalls(
        drafted=whole,
        coarse=coarse,
        foreseen=foreseen_coarse,
        acted=foreseen_whole[:, :, 0],
        expected=jnp.asarray(together("distance")),
        looked=jnp.asarray(together("looked")),
        is_call=jnp.asarray([np.arange(longest) < len(shadow.looked) for shadow in shadows]),
    )


def with_true_distances(calls: WatchedCalls) -> WatchedCalls:
    """The same calls for a draft policy that knows how far it lies from the main model: what no rule can know."""
    drafted = calls.drafted.reshape(-1, *calls.drafted.shape[3:])
    acted = jnp.broadcast_to(calls.acted[:, :, None], calls.drafted.shape).reshape(drafted.shape)
    return calls._replace(expected=draft_distance(drafted, acted).reshape(calls.expected.shape))


def replay(
    calls: WatchedCalls, make_rule: Callable[[jax.Array], SkipRule], thresholds: Sequence[float], longest_run: int
) -> Decisions:
    """Decides on every call once more, by the rule of each of `thresholds`: ``[G, E, M]``.

    Args:
        calls: of watched episodes.
        make_rule: the rule of a threshold.
        thresholds: G of them.
        longest_run: calls in a row without a look, at most.

    Raises:
        ValueError: the episodes were watched for a shorter run: what a draft policy with a memory would have proposed
            later is not known.
    """
    ages = calls.drafted.shape[2]
    if 1 < ages < longest_run:
        raise ValueError(
            f"longest_run={longest_run} must be at most {ages}, the calls since a look that were watched; watch "
            f'episodes with --config.decoder_settings="shadow=true longest_run={longest_run} ..."'
        )

    def of_rule(threshold: jax.Array) -> tuple[jax.Array, jax.Array]:
        rule = make_rule(threshold)
        return jax.vmap(lambda episode: _decide(episode, rule, longest_run))(calls)

    skipped, distance = jax.jit(jax.vmap(of_rule))(jnp.asarray(thresholds, jnp.float32))
    return Decisions(np.asarray(skipped & calls.is_call), np.asarray(distance))


def decisions_made(calls: WatchedCalls) -> Decisions:
    """What was decided when the episodes were run: ``[E, M]``."""
    skipped = ~calls.looked & calls.is_call

    def of_episode(episode: WatchedCalls) -> jax.Array:
        def step(age: jax.Array, call: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
            drafted, acted, looked = call
            mine = _of_age(drafted, age)
            return jnp.where(looked, 1, age + 1), draft_distance(mine[None], acted[None])[0]

        start = jnp.zeros((), jnp.int32)
        return jax.lax.scan(step, start, (episode.drafted, episode.acted, episode.looked))[1]

    return Decisions(np.asarray(skipped), np.asarray(jax.jit(jax.vmap(of_episode))(calls)))


def _decide(episode: WatchedCalls, rule: SkipRule, longest_run: int) -> tuple[jax.Array, jax.Array]:
    chunks = episode.foreseen.shape[1]

    def step(state: SkipState, call: jax.Array) -> tuple[SkipState, tuple[jax.Array, jax.Array]]:
        age = state.calls_since_look[0]
        drafted, coarse = _of_age(episode.drafted[call], age), _of_age(episode.coarse[call], age)
        evidence = SkipEvidence(
            drafted=coarse[None],
            foreseen=episode.foreseen[jnp.maximum(call - age, 0), jnp.minimum(age, chunks - 1)][None],
            is_foreseen=((age > 0) & (age < chunks))[None],
            distance=_of_age(episode.expected[call], age)[None],
            gripper=state.gripper,
        )
        looks = must_look(rule, evidence, state, longest_run)
        acted = jnp.where(looks[0], episode.acted[call], drafted)
        distance = draft_distance(drafted[None], episode.acted[call][None])[0]
        return next_state(state, looks, acted[None]), (~looks[0], distance)

    start = SkipState(jnp.zeros(1, jnp.int32), jnp.zeros(1))
    return jax.lax.scan(step, start, jnp.arange(len(episode.looked)))[1]


def _of_age(choices: jax.Array, age: jax.Array) -> jax.Array:
    """Of what a draft policy proposes by the age of the last look, ``[H, ..]``, that of this one."""
    return choices[jnp.clip(age - 1, 0, len(choices) - 1)]
