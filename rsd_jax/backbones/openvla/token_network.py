"""OpenVLA's 256 bins, drafted and verified: a chunk's action tokens as a code of one column.

Plain OpenVLA decodes one token of a chunk after the other. As residual layers are, tokens are a run of digits each of
which is given those before it, so that the same decoders draft and verify them in the prefill: 56 tokens are 56
layers of a single latent, whose levels are the words of the vocabulary.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rsd_jax.array_types import Logits, Tokens
from rsd_jax.backbones.openvla.digit_network import DigitNetwork
from rsd_jax.backbones.openvla.digit_slots import DigitCode
from rsd_jax.backbones.openvla.network import Frames, OpenVlaNetwork, TokenSequence
from rsd_jax.backbones.openvla.token_sequence import EMPTY


class TokenNetwork(DigitNetwork):
    """OpenVLA's networks, whose slots are the words in front of those that they predict: `EMPTY` and then tokens.

    The prompt's last word is a slot for that reason, and no part of the context. Greedy decoding finds the tokens of
    `autoregressive_tokens`, for a causal network.
    """

    def setup(self) -> None:
        """Slots have nothing of their own."""

    def begin(self, frames: Frames, state: Float[Array, "B P"] | None, prompt_ids: Int[Array, "B W"]) -> TokenSequence:
        """The context up to the prompt's last word."""
        sequence = super().begin(frames, state, prompt_ids)
        return sequence._replace(lengths=sequence.lengths - 1)

    def enter_slots(self, tokens: Tokens, layers: Int[Array, "B N"]) -> Float[Array, "B N F"]:
        """Embeddings of the words before."""
        before = jnp.clip(layers - 1, 0, self.code.num_layers - 1)
        ids = jnp.where(layers == 0, EMPTY, jnp.take_along_axis(tokens[:, 0, 0], before, axis=1))
        return self.network.language_model.embed(ids)

    def read_slots(self, states: Float[Array, "B N F"]) -> Logits:
        """Logits of the words behind, ``[B, 1, 1, layers, V]``."""
        return self.network.language_model.logits(states)[:, None, None]


def token_network(network: OpenVlaNetwork) -> TokenNetwork:
    """For as many tokens as the network has slots."""
    code = DigitCode(1, network.slots, network.sizes.language.vocabulary, (0,))
    return TokenNetwork(network, code)
