"""The network that reads an instruction."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from rsd_jax.backbones.instruction import PADDING, VOCABULARY_SIZE
from rsd_jax.partitioned_layers import Conv, Dense, Embedding

WORD_FEATURES = 64
NEIGHBOURHOOD = 3


class InstructionEncoder(nn.Module):
    """Convolutions over the words, then the strongest response of each feature anywhere in the sentence.

    Kim 2014, "Convolutional Neural Networks for Sentence Classification". Two convolutions see five words, enough for
    "next to the ramekin", wherever in the sentence it stands. Word embeddings start at zero, so that a word that never
    occurred in training says nothing instead of something random.

    Attributes:
        width: features of a token. num_tokens: tokens that the instruction becomes.
    """

    width: int
    num_tokens: int

    @nn.compact
    def __call__(self, instruction_ids: Int[Array, "B W"]) -> Float[Array, "B N F"]:
        """Returns the tokens of an instruction; padding counts for nothing."""
        is_word = (instruction_ids != PADDING)[..., None]
        zeros = nn.initializers.zeros_init()
        words = Embedding(VOCABULARY_SIZE, WORD_FEATURES, ("vocab", "channels"), init=zeros, name="words")
        hidden = words(instruction_ids) * is_word
        for layer in range(2):
            axes = ("channels", "embed") if layer == 0 else ("embed", "embed")
            response = Conv(self.width, (NEIGHBOURHOOD,), axes, name=f"phrases_{layer}")(hidden)
            hidden = nn.gelu(response) * is_word
        strongest = jnp.max(jnp.where(is_word, hidden, jnp.finfo(hidden.dtype).min), axis=1)
        tokens = Dense(self.num_tokens * self.width, ("embed", "embed"), name="project")(strongest)
        return tokens.reshape(len(instruction_ids), self.num_tokens, self.width)
