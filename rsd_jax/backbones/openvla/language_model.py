"""Llama-2 (Touvron et al. 2023, arXiv 2307.09288), with the causal attention that it has and the full one of OFT.

One array a layer, none stacked: a scan over stacked layers copies each layer's weights. What reads the same input is
one matrix: queries, keys and values, and the two halves of the MLP.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from rsd_jax.backbones.attention import attend_to_first, attend_where
from rsd_jax.backbones.openvla.configuration import LanguageSizes
from rsd_jax.backbones.openvla.kept_activations import keeping
from rsd_jax.backbones.openvla.rotary_positions import rotate, rotation
from rsd_jax.partitioned_layers import Dense, DenseGeneral, Embedding


class KeysValues(NamedTuple):
    """What a block has made of tokens, for later ones to attend to: ``[B, M, H, E]`` each."""

    keys: Float[Array, "B M H E"]
    values: Float[Array, "B M H E"]


class LanguageModel(nn.Module):
    """Embedding, blocks, last normalization and logits, each for itself.

    Attributes:
        sizes: of the model.
        kept: of the blocks' activations, one of `KEPT_ACTIVATIONS`; of whole sequences alone.
    """

    sizes: LanguageSizes
    kept: str = "all"

    def setup(self) -> None:
        """Names the parts as checkpoints do."""
        sizes = self.sizes
        block = keeping(self.kept, LanguageBlock, static_arguments=("is_causal",))
        normal = nn.initializers.normal(0.02)
        self.embedding = Embedding(sizes.vocabulary, sizes.width, ("text_vocab", "embed"), normal)
        self.blocks = [block(sizes, name=f"block_{index}") for index in range(sizes.depth)]
        self.final_norm = RmsNorm(sizes.norm_epsilon)
        self.output = Dense(sizes.vocabulary, ("embed", "text_vocab"), use_bias=False)

    def embed(self, ids: Int[Array, "B N"]) -> Float[Array, "B N F"]:
        """What token ids enter the blocks as."""
        return self.embedding(ids)

    def run_blocks(
        self,
        tokens: Float[Array, "B N F"],
        first: int,
        last: int,
        lengths: Int[Array, "B"] | None = None,
        is_causal: bool = False,
    ) -> tuple[Float[Array, "B N F"], list[KeysValues]]:
        """Tokens after the blocks ``first .. last - 1``, and what each of these has made for later tokens.

        Args:
            tokens: a whole sequence a row, from place 0 on.
            first, last: of the blocks, from 0.
            lengths: how many of a row's tokens there are; what stands behind them is not attended to.
            is_causal: whether no token sees one behind it.
        """
        places = jnp.broadcast_to(jnp.arange(tokens.shape[1])[None], tokens.shape[:2])
        turns, made = self._turns(places), []
        for block in self.blocks[first:last]:
            tokens, keys_values = block(tokens, turns, lengths, is_causal)
            made.append(keys_values)
        return tokens, made

    def next_step(
        self, tokens: Float[Array, "B 1 F"], places: Int[Array, "B"], past: list[KeysValues]
    ) -> tuple[Float[Array, "B 1 F"], list[KeysValues]]:
        """One further token a row through all blocks, and `past` with it.

        Args:
            tokens: one a row, at its place.
            places: of the tokens. Each row's token attends to itself and to what `past` has of the places before.
            past: of every block, with room at these places.
        """
        turns, made = self._turns(places[:, None]), []
        for block, before in zip(self.blocks, past, strict=True):
            tokens, keys_values = block.next_step(tokens, turns, places, before)
            made.append(keys_values)
        return tokens, made

    def run_context_with_slots(
        self,
        context: Float[Array, "B M F"],
        slots: Float[Array, "B N F"],
        lengths: Int[Array, "B"],
        slot_places: Int[Array, "B N"],
        is_seen: Bool[Array, "B N R"],
        is_causal: bool = False,
    ) -> tuple[Float[Array, "B N F"], list[KeysValues]]:
        """A context and slots behind it through all blocks, the context seeing nothing of the slots.

        Args:
            context: a sequence a row, from place 0 on.
            slots: what stands behind it, at `slot_places`.
            lengths: how many of a row's context there are; what stands behind them is not attended to.
            is_seen: of context and slots, R = M + N, what each slot attends to.
            is_causal: whether no token of the context sees one behind it.

        Returns:
            The slots after the last block, and what the blocks have made of context and slots.
        """
        places = jnp.broadcast_to(jnp.arange(context.shape[1])[None], context.shape[:2])
        turns, made = self._turns(jnp.concatenate([places, slot_places], axis=1)), []
        tokens = jnp.concatenate([context, slots], axis=1)
        for block in self.blocks:
            tokens, keys_values = block.context_with_slots(tokens, turns, lengths, is_seen, is_causal)
            made.append(keys_values)
        return tokens[:, context.shape[1] :], made

    def run_slots(
        self,
        slots: Float[Array, "B N F"],
        slot_places: Int[Array, "B N"],
        is_seen: Bool[Array, "B N R"],
        past: list[KeysValues],
        kept_at: Int[Array, "B N"] | int,
    ) -> tuple[Float[Array, "B N F"], list[KeysValues]]:
        """Slots through all blocks, which attend to what `past` has, and `past` with them.

        Args:
            slots: of each row, at `slot_places`.
            is_seen: of what `past` has room for, R, what each slot attends to: itself too.
            past: of every block.
            kept_at: where in `past` each slot belongs, if not behind its end; a number is the first one's, of a run.
        """
        turns, made = self._turns(slot_places), []
        for block, before in zip(self.blocks, past, strict=True):
            slots, keys_values = block.further_slots(slots, turns, is_seen, before, kept_at)
            made.append(keys_values)
        return slots, made

    def normalize(self, tokens: Float[Array, "B N F"]) -> Float[Array, "B N F"]:
        """The last normalization: what is read off the tokens, by whatever head."""
        return self.final_norm(tokens)

    def logits(self, states: Float[Array, "B N F"]) -> Float[Array, "B N W"]:
        """Logits of the next token, float32, of tokens after `normalize`."""
        return self.output(states).astype(jnp.float32)

    def _turns(self, places: Int[Array, "B N"]) -> Float[Array, "2 B N 1 E"]:
        return rotation(places, self.sizes.head_features, self.sizes.rotary_base)


class LanguageBlock(nn.Module):
    """Pre-norm attention with turned queries and keys, then an MLP whose hidden features gate each other."""

    sizes: LanguageSizes

    def setup(self) -> None:
        """Names the parts as checkpoints do."""
        sizes, heads = self.sizes, (self.sizes.heads, self.sizes.head_features)
        self.attention_norm = RmsNorm(sizes.norm_epsilon)
        self.qkv = DenseGeneral((3, *heads), ("embed", None, "heads", "head_dim"), use_bias=False)
        self.out = DenseGeneral((sizes.width,), ("heads", "head_dim", "embed"), inputs=2, use_bias=False)
        self.mlp_norm = RmsNorm(sizes.norm_epsilon)
        self.gate_up = DenseGeneral((2, sizes.mlp_features), ("embed", None, "mlp"), use_bias=False)
        self.down = Dense(sizes.width, ("mlp", "embed"), use_bias=False)

    def __call__(
        self,
        tokens: Float[Array, "B N F"],
        turns: Float[Array, "2 B N 1 E"],
        lengths: Int[Array, "B"] | None,
        is_causal: bool,
    ) -> tuple[Float[Array, "B N F"], KeysValues]:
        """Whole sequences; see `LanguageModel.run_blocks`."""
        query, made = self._attention_inputs(tokens, turns)
        attended = attend_to_first(query, made.keys, made.values, lengths, is_causal)
        return self._with_mlp(tokens + self.out(attended)), made

    def next_step(
        self,
        tokens: Float[Array, "B 1 F"],
        turns: Float[Array, "2 B 1 1 E"],
        places: Int[Array, "B"],
        past: KeysValues,
    ) -> tuple[Float[Array, "B 1 F"], KeysValues]:
        """One further token a row; see `LanguageModel.next_step`."""
        query, new = self._attention_inputs(tokens, turns)
        rows = jnp.arange(len(places))
        made = KeysValues(*(before.at[rows, places].set(now[:, 0]) for before, now in zip(past, new, strict=True)))
        attended = attend_to_first(query, made.keys, made.values, places + 1)
        return self._with_mlp(tokens + self.out(attended)), made

    def context_with_slots(
        self,
        tokens: Float[Array, "B R F"],
        turns: Float[Array, "2 B R 1 E"],
        lengths: Int[Array, "B"],
        is_seen: Bool[Array, "B N R"],
        is_causal: bool,
    ) -> tuple[Float[Array, "B R F"], KeysValues]:
        """A context and slots behind it; see `LanguageModel.run_context_with_slots`."""
        query, made = self._attention_inputs(tokens, turns)
        end = tokens.shape[1] - is_seen.shape[1]  # of the context: nothing behind it is among its keys
        of_context = attend_to_first(query[:, :end], made.keys[:, :end], made.values[:, :end], lengths, is_causal)
        of_slots = attend_where(query[:, end:], made.keys, made.values, is_seen)
        return self._with_mlp(tokens + self.out(jnp.concatenate([of_context, of_slots], axis=1))), made

    def further_slots(
        self,
        slots: Float[Array, "B N F"],
        turns: Float[Array, "2 B N 1 E"],
        is_seen: Bool[Array, "B N R"],
        past: KeysValues,
        kept_at: Int[Array, "B N"] | int,
    ) -> tuple[Float[Array, "B N F"], KeysValues]:
        """Slots behind what `past` has; see `LanguageModel.run_slots`."""
        query, new = self._attention_inputs(slots, turns)
        made = KeysValues(*(_keep(before, now, kept_at) for before, now in zip(past, new, strict=True)))
        attended = attend_where(query, made.keys, made.values, is_seen)
        return self._with_mlp(slots + self.out(attended)), made

    def _attention_inputs(self, tokens: jax.Array, turns: jax.Array) -> tuple[jax.Array, KeysValues]:
        qkv = self.qkv(self.attention_norm(tokens))
        query, keys, values = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
        return rotate(query, turns), KeysValues(rotate(keys, turns), values)

    def _with_mlp(self, tokens: jax.Array) -> jax.Array:
        gate_up = self.gate_up(self.mlp_norm(tokens))
        return tokens + self.down(nn.silu(gate_up[:, :, 0]) * gate_up[:, :, 1])


def _keep(past: jax.Array, new: jax.Array, kept_at: jax.Array | int) -> jax.Array:
    """`past` with `new` where it belongs."""
    if isinstance(kept_at, int):
        return past.at[:, kept_at : kept_at + new.shape[1]].set(new)
    return past.at[jnp.arange(len(new))[:, None], kept_at].set(new, mode="drop")


class RmsNorm(nn.Module):
    """Division by the root of the mean square, computed in float32, and a learned scale; no mean, no bias."""

    epsilon: float

    @nn.compact
    def __call__(self, tokens: Float[Array, "B N F"]) -> Float[Array, "B N F"]:
        """Returns tokens of the same shape and type."""
        init = nn.with_logical_partitioning(nn.initializers.ones_init(), ("embed",))
        scale = self.param("scale", init, tokens.shape[-1:])
        wide = tokens.astype(jnp.float32)
        normalized = wide * jax.lax.rsqrt(jnp.mean(jnp.square(wide), axis=-1, keepdims=True) + self.epsilon)
        return scale * normalized.astype(tokens.dtype)
