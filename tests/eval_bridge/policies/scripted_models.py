"""Tokens that stand in the inputs in place of networks, so that a test says what draft and main model propose."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eval_bridge.policies.cascade import Cascade
from eval_bridge.policies.cascade_decoder import CascadeState, Foresight
from eval_bridge.policies.decoder_models import DraftProposals
from eval_bridge.policies.early_exit import EarlyExit
from rsd_jax.decoding import CodeShape
from rsd_jax.decoding.skip_rules import SkipState

CHUNKS, STEPS, DIMS, LAYERS = 3, 2, 7, 2
SLOTS, WIDTH = CHUNKS * STEPS, 4


class ScriptedModels:
    """A coarse digit of v means v half-ranges, a fine one v / 10; the gripper closes where a coarse digit is above 0.

    Attributes:
        remembers: calls for which the draft policy remembers a look; it then proposes fine digits that tell the
            memory's age and what was remembered.
    """

    code_shape = CodeShape(STEPS, DIMS, LAYERS, 0, jnp.ones((LAYERS, DIMS), bool))

    def __init__(self, remembers: int | None = None) -> None:
        self.draft_policy_remembers = remembers

    def draft_policy(self, inputs: Any) -> DraftProposals:
        tokens = inputs.draft
        if self.draft_policy_remembers is not None:
            told = 10 * inputs.memory.age + inputs.memory.features[:, 0, 0].astype(jnp.int32)
            tokens = tokens.at[..., 1].set(told[:, None, None])
        return DraftProposals(tokens, inputs.distance)

    def early_tokens(self, inputs: Any) -> tuple[str, Any]:
        return "first blocks of", inputs

    def early_exit(self, tokens: tuple[str, Any]) -> DraftProposals:
        return DraftProposals(tokens[1].draft, jnp.full(len(tokens[1].draft), jnp.inf))

    def detokenize(self, tokens: jax.Array, num_layers: int | None = None) -> jax.Array:
        scales = jnp.array([1.0, 0.1])[: LAYERS if num_layers is None else num_layers]
        actions = (tokens[..., : len(scales)] * scales).sum(axis=-1)
        return actions.at[..., -1].set(jnp.where(tokens[..., -1, 0] > 0, 1.0, -1.0))

    def normalize(self, actions: jax.Array) -> jax.Array:
        return actions


@dataclass(frozen=True)
class ScriptedCascade(Cascade):
    """The cascade's own rules and state, on scripted looks."""

    coarse_layers: int = 1
    tolerance: float = 0.5
    longest_run: int = 5

    def foresee(self, models: Any, inputs: Any) -> Foresight:
        return Foresight(inputs.look, inputs.features, jnp.full(len(inputs.draft), 8))


@dataclass(frozen=True)
class ScriptedEarlyExit(EarlyExit):
    """The early exit's likewise; a look must begin where the first blocks ended."""

    coarse_layers: int = 1
    tolerance: float = 0.5
    longest_run: int = 5

    def foresee(self, models: Any, begun: Any) -> Foresight:
        where, inputs = begun
        assert where == "first blocks of"
        return Foresight(inputs.look, inputs.features, jnp.full(len(inputs.draft), 8))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Script:
    """What a call meets: the draft, its expected distance, the main model's tokens and features, a row each."""

    draft: jax.Array
    distance: jax.Array
    look: jax.Array
    features: jax.Array
    memory: Any = None

    def _replace(self, memory: Any) -> "Script":
        return Script(self.draft, self.distance, self.look, self.features, memory)


def digits(level: int, gripper: int = 0, fine: int = 1) -> np.ndarray:
    """A chunk's tokens, all alike."""
    tokens = np.full((STEPS, DIMS, LAYERS), level, np.int32)
    tokens[..., 1] = fine
    tokens[:, -1] = gripper
    return tokens


def script(draft: np.ndarray, look: list[np.ndarray], rows: int = 1, distance: float = 0.0, mark: int = 0) -> Script:
    """The same in every row; features are all `mark`."""
    return Script(
        jnp.tile(draft, (rows, 1, 1, 1)),
        jnp.full(rows, distance),
        jnp.tile(np.stack(look), (rows, 1, 1, 1, 1)),
        jnp.full((rows, SLOTS, WIDTH), float(mark)),
    )


def start(rows: int, looks: int = 0) -> CascadeState:
    """The state before an episode's first call."""
    foreseen = jnp.zeros((rows, CHUNKS, STEPS, DIMS, LAYERS), jnp.int32)
    remembered = jnp.zeros((rows, looks, SLOTS, WIDTH))
    return CascadeState(foreseen, remembered, SkipState(jnp.zeros(rows, jnp.int32), jnp.zeros(rows)))
