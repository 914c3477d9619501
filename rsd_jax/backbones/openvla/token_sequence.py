"""The order of what enters the language model, and where actions are read off it.

::

    [begin] [patches of each image] [state] [prompt ... empty] [slot 0 ... slot C * A - 1] [stop] [padding]
                                                       |------- read-out -------|

A slot enters as zeros. What a token predicts is the one behind it, so the states that belong to the slots are read one
place earlier than the slots stand: from the prompt's last token to the last slot but one. Prompts of different length
have their padding at the end, where nothing attends to it and no place counts it.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

BEGIN, STOP = 1, 2
"""Llama's tokens of a text's beginning and end."""

EMPTY = 29871
"""The token of an empty word. In training it stood between the prompt and the first action."""

PADDING = 32000
"""What OpenVLA added to Llama's vocabulary; it stands in no prompt."""


class Text(NamedTuple):
    """What stands behind the images and the state.

    Attributes:
        ids: token ids ``[B, N]``; those of slots are arbitrary.
        is_slot: whether a place is a slot, ``[B, N]``.
        lengths: places that are no padding, ``[B]``.
        window: the first place of the read-out, ``[B]``: the prompt's last token.
    """

    ids: Int[Array, "B N"]
    is_slot: Bool[Array, "B N"]
    lengths: Int[Array, "B"]
    window: Int[Array, "B"]


def text_with_slots(prompt_ids: Int[Array, "B W"], slots: int) -> Text:
    """The text behind the images: the prompt without its first token, the slots and the stop.

    With no slots there is no stop either: what stands behind the prompt is then to be predicted, token by token.

    Args:
        prompt_ids: `BEGIN`, the prompt, `EMPTY`, and `PADDING` up to W.
        slots: how many.
    """
    behind = slots + 1 if slots else 0
    prompt = prompt_ids[:, 1:]
    prompt_length = jnp.sum(prompt != PADDING, axis=1)
    place = jnp.arange(prompt.shape[1] + behind)[None] - prompt_length[:, None]  # 0 is the first slot
    padded = jnp.pad(prompt, ((0, 0), (0, behind)), constant_values=PADDING)
    ids = jnp.where((place == slots) & (behind > 0), STOP, padded)
    return Text(ids, (place >= 0) & (place < slots), prompt_length + behind, prompt_length - 1)


def read_out(tokens: Float[Array, "B N F"], first: Int[Array, "B"], count: int) -> Float[Array, "B S F"]:
    """`count` tokens of each row, from place `first` on."""
    places = first[:, None] + jnp.arange(count)
    return jnp.take_along_axis(tokens, places[..., None], axis=1)
