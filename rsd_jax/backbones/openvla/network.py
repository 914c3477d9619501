"""OpenVLA's networks together: from images, state and prompt to the states from which actions are read."""

from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int, UInt8

from rsd_jax.backbones.openvla.configuration import OpenVlaSizes, TowerSizes
from rsd_jax.backbones.openvla.language_model import KeysValues, LanguageModel
from rsd_jax.backbones.openvla.token_sequence import read_out, text_with_slots
from rsd_jax.backbones.openvla.vision import VisionTower, exact_gelu
from rsd_jax.partitioned_layers import Dense

Frames = UInt8[Array, "B N S S 3"] | Float[Array, "B N S S 3"]
"""Upright images of N cameras as the towers see them, 0 to 255."""


class TokenSequence(NamedTuple):
    """What enters a block of the language model.

    Attributes:
        tokens: ``[B, L, F]``.
        lengths: of each row, how many of them there are.
        window: of each row, the first place of the read-out.
    """

    tokens: Float[Array, "B L F"]
    lengths: Int[Array, "B"]
    window: Int[Array, "B"]


class OpenVlaNetwork(nn.Module):
    """Towers, projectors and language model.

    Attributes:
        sizes: of all parts.
        slots: action slots, C * A.
        is_causal: whether no token sees one behind it, as in OpenVLA; in OFT all see all.
        compute_dtype: of activations. Parameters are expected in it: of others, products are in the wider type.
        kept: of the blocks' activations, one of `KEPT_ACTIVATIONS`.
    """

    sizes: OpenVlaSizes
    slots: int
    is_causal: bool = False
    compute_dtype: str = "float32"
    kept: str = "all"

    def setup(self) -> None:
        """Names the parts as checkpoints do."""
        self.dinov2 = VisionTower(self.sizes.dinov2, self.kept)
        self.siglip = VisionTower(self.sizes.siglip, self.kept)
        width = self.sizes.language.width
        self.projector = Projector(4 * self.sizes.vision_width, width)
        self.state_projector = StateProjector(width)
        self.language_model = LanguageModel(self.sizes.language, self.kept)

    def __call__(
        self, frames: Frames, state: Float[Array, "B P"] | None, prompt_ids: Int[Array, "B W"]
    ) -> Float[Array, "B S W"]:
        """Logits of the token that each slot would be, from one pass (OFT's parallel decoding)."""
        return self.language_model.logits(self.slot_states(frames, state, prompt_ids))

    def slot_states(
        self, frames: Frames, state: Float[Array, "B P"] | None, prompt_ids: Int[Array, "B W"]
    ) -> Float[Array, "B S F"]:
        """The state of each slot, normalised, from one pass."""
        return self.last_blocks(self.enter(frames, state, prompt_ids), 0)

    def first_blocks(
        self, frames: Frames, state: Float[Array, "B P"] | None, prompt_ids: Int[Array, "B W"], blocks: int
    ) -> TokenSequence:
        """The sequence after the first `blocks` blocks."""
        return self.run_blocks(self.enter(frames, state, prompt_ids), 0, blocks)

    def last_blocks(self, sequence: TokenSequence, blocks: int) -> Float[Array, "B S F"]:
        """`slot_states`, of the sequence after the first `blocks` blocks."""
        return self.read(self.run_blocks(sequence, blocks, self.sizes.language.depth))

    def context(self, frames: Frames, state: Float[Array, "B P"] | None) -> Float[Array, "B M F"]:
        """Tokens of the patches, image by image, and of the state."""
        tokens = self.projector(self.see(frames))
        if state is None:
            return tokens
        felt = self.state_projector(state.astype(self.compute_dtype))
        return jnp.concatenate([tokens, felt[:, None]], axis=1)

    def see(self, frames: Frames) -> Float[Array, "B M F"]:
        """Features of the patches, image by image; those of the two towers side by side."""
        batch, cameras, side, _, _ = frames.shape
        single = frames.reshape(batch * cameras, side, side, 3)
        towers = ((self.dinov2, self.sizes.dinov2), (self.siglip, self.sizes.siglip))
        features = [tower(_normalize(single, sizes).astype(self.compute_dtype)) for tower, sizes in towers]
        return jnp.concatenate(features, axis=-1).reshape(batch, -1, self.sizes.vision_width)

    def enter(
        self,
        frames: Frames,
        state: Float[Array, "B P"] | None,
        prompt_ids: Int[Array, "B W"],
        slots: int | None = None,
    ) -> TokenSequence:
        """The sequence that enters the first block, with `slots` or as many as the network has."""
        context = self.context(frames, state)
        text = text_with_slots(prompt_ids, self.slots if slots is None else slots)
        begin, words = self.language_model.embed(prompt_ids[:, :1]), self.language_model.embed(text.ids)
        words = jnp.where(text.is_slot[..., None], 0, words)
        tokens = jnp.concatenate([begin, context, words], axis=1)
        before = 1 + context.shape[1]
        return TokenSequence(tokens, before + text.lengths, before + text.window)

    def run_blocks(self, sequence: TokenSequence, first: int, last: int) -> TokenSequence:
        """The sequence after the blocks ``first .. last - 1``, which may begin and end at any block."""
        given = sequence.tokens, first, last, sequence.lengths, self.is_causal
        return sequence._replace(tokens=self.language_model.run_blocks(*given)[0])

    def read(self, sequence: TokenSequence) -> Float[Array, "B S F"]:
        """The state of each slot, normalised, of a sequence after some block."""
        return self.language_model.normalize(read_out(sequence.tokens, sequence.window, self.slots))

    def begin_text(
        self, frames: Frames, state: Float[Array, "B P"] | None, prompt_ids: Int[Array, "B W"], room: int
    ) -> tuple[Float[Array, "B W"], Int[Array, "B"], list[KeysValues]]:
        """Logits of the first token behind the prompt, its place, and what the blocks have made of what is before.

        What they have made has `room` for that many further tokens.
        """
        sequence = self.enter(frames, state, prompt_ids, slots=0)
        tokens, made = self.language_model.run_blocks(sequence.tokens, 0, self.sizes.language.depth, is_causal=True)
        last = self.language_model.normalize(read_out(tokens, sequence.window, 1))
        behind = ((0, 0), (0, room), (0, 0), (0, 0))
        with_room = [KeysValues(*(jnp.pad(array, behind) for array in each)) for each in made]
        return self.language_model.logits(last)[:, 0], sequence.lengths, with_room

    def continue_text(
        self, ids: Int[Array, "B"], places: Int[Array, "B"], past: list[KeysValues]
    ) -> tuple[Float[Array, "B W"], list[KeysValues]]:
        """Logits of the token behind the tokens `ids`, which stand at `places`, and `past` with these."""
        tokens, made = self.language_model.next_step(self.language_model.embed(ids[:, None]), places, past)
        return self.language_model.logits(self.language_model.normalize(tokens))[:, 0], made


class Projector(nn.Module):
    """From the towers' width to the language model's; exact GELUs in between."""

    hidden_features: int
    features: int

    @nn.compact
    def __call__(self, patches: Float[Array, "B M V"]) -> Float[Array, "B M F"]:
        """Maps each patch."""
        hidden = exact_gelu(Dense(self.hidden_features, ("embed", "mlp"), name="first")(patches))
        hidden = exact_gelu(Dense(self.features, ("mlp", "embed"), name="second")(hidden))
        return Dense(self.features, ("embed", "embed"), name="third")(hidden)


class StateProjector(nn.Module):
    """From the robot's state to one token (OFT)."""

    features: int

    @nn.compact
    def __call__(self, state: Float[Array, "B P"]) -> Float[Array, "B F"]:
        """Maps a normalised state."""
        hidden = exact_gelu(Dense(self.features, ("proprio", "embed"), name="first")(state))
        return Dense(self.features, ("embed", "embed"), name="second")(hidden)


def _normalize(frames: Frames, sizes: TowerSizes) -> Float[Array, "B S S 3"]:
    mean, std = jnp.asarray(sizes.mean, jnp.float32), jnp.asarray(sizes.std, jnp.float32)
    return (frames.astype(jnp.float32) / 255 - mean) / std
