"""A transformer block over tokens that all see each other."""

from flax import linen as nn
from jaxtyping import Array, Float

from rsd_jax.backbones.attention import attend
from rsd_jax.partitioned_layers import LayerNorm, Mlp


class TransformerBlock(nn.Module):
    """Pre-norm self-attention over all tokens, then an MLP.

    Attributes:
        width: F. heads: of the attention. mlp_features: hidden features of the MLP.
    """

    width: int
    heads: int
    mlp_features: int

    @nn.compact
    def __call__(self, tokens: Float[Array, "B N F"]) -> Float[Array, "B N F"]:
        """Returns tokens of the same shape."""
        init = nn.initializers.lecun_normal()
        attention = nn.MultiHeadDotProductAttention(
            self.heads,
            use_bias=False,
            attention_fn=attend,
            kernel_init=nn.with_logical_partitioning(init, ("embed", "heads", "head_dim")),
            out_kernel_init=nn.with_logical_partitioning(init, ("heads", "head_dim", "embed")),
        )
        tokens = tokens + attention(LayerNorm()(tokens))
        return tokens + Mlp(self.mlp_features, self.width)(LayerNorm()(tokens))
