"""A chunk as tokens of the language model: one by one, as OpenVLA does, or all slots at once, as OFT can."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rsd_jax.actions.conventions import libero_gripper
from rsd_jax.actions.normalizer import GRIPPER
from rsd_jax.array_types import Actions, PyTree
from rsd_jax.backbones.openvla.action_bins import actions_of_tokens
from rsd_jax.backbones.openvla.backbone import NetworkInputs, OpenVlaBackbone

ActionTokens = Int[Array, "B C A"]

GRIPPER_OPEN, GRIPPER_CLOSED = 1.0, 0.0
"""The gripper's actions in the data that OpenVLA and OFT were trained on."""


def parallel_tokens(backbone: OpenVlaBackbone, params: PyTree, inputs: NetworkInputs) -> ActionTokens:
    """The most likely token of each slot, from one pass."""
    logits = backbone.apply("__call__", params, *inputs)
    return _as_chunk(backbone, jnp.argmax(logits, axis=-1))


def autoregressive_tokens(backbone: OpenVlaBackbone, params: PyTree, inputs: NetworkInputs) -> ActionTokens:
    """The most likely token behind the prompt and behind each token before, causally.

    One pass over images and prompt, then one for each further token, which attends to what the passes before have made
    of theirs. A batch's prompts may have different lengths.
    """
    steps = backbone.slots

    def choose(logits: Float[Array, "B W"]) -> Int[Array, "B"]:
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)

    def next_token(step: jax.Array, carry: tuple[ActionTokens, PyTree]) -> tuple[ActionTokens, PyTree]:
        tokens, past = carry
        logits, past = backbone.apply("continue_text", params, tokens[:, step - 1], first + step - 1, past)
        return tokens.at[:, step].set(choose(logits)), past

    logits, first, past = backbone.apply("begin_text", params, *inputs, room=steps)
    tokens = jnp.zeros((len(logits), steps), jnp.int32).at[:, 0].set(choose(logits))
    tokens, _ = jax.lax.fori_loop(1, steps, next_token, (tokens, past))
    return _as_chunk(backbone, tokens)


def normalized_actions(backbone: OpenVlaBackbone, tokens: ActionTokens) -> Actions:
    """What the tokens of a chunk stand for, as action heads give it: motion in (-1, 1), and LIBERO's gripper."""
    actions = actions_of_tokens(tokens, backbone.sizes.language.vocabulary)
    return actions.at[..., GRIPPER].set(libero_gripper(actions[..., GRIPPER], GRIPPER_OPEN, GRIPPER_CLOSED))


def _as_chunk(backbone: OpenVlaBackbone, tokens: Int[Array, "B S"]) -> ActionTokens:
    return tokens.reshape(len(tokens), backbone.chunk_length, backbone.action_dim)
