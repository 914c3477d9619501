"""The vision towers: transformers over patches of an image, read before their last block.

Oquab et al. 2023, "DINOv2" (arXiv 2304.07193) with the registers of Darcet et al. 2023 (arXiv 2309.16588), and Zhai et
al. 2023, "Sigmoid Loss for Language Image Pre-Training" (SigLIP, arXiv 2303.15343).
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from rsd_jax.backbones.attention import attend
from rsd_jax.backbones.openvla.configuration import TowerSizes
from rsd_jax.backbones.openvla.kept_activations import keeping
from rsd_jax.partitioned_layers import DenseGeneral, LayerNorm, Mlp

exact_gelu = partial(jax.nn.gelu, approximate=False)
"""Of both towers, also of SigLIP, whose authors' own has the approximation: weights were used and tuned with this."""


class VisionTower(nn.Module):
    """Features of every patch after the last block but one, without the normalization behind the blocks.

    Attributes:
        sizes: of the tower.
        kept: of the blocks' activations, one of `KEPT_ACTIVATIONS`.
    """

    sizes: TowerSizes
    kept: str = "all"

    @nn.compact
    def __call__(self, pixels: Float[Array, "B S S 3"]) -> Float[Array, "B N F"]:
        """Maps upright pixels, normalised by the tower's mean and std, to features of N patches, row by row."""
        sizes = self.sizes
        normal = nn.initializers.normal(0.02)
        kernel_init = nn.with_logical_partitioning(nn.initializers.lecun_normal(), (None, None, "channels", "embed"))
        kernel = self.param("patch_kernel", kernel_init, (sizes.patch_size, sizes.patch_size, 3, sizes.width))
        bias_init = nn.with_logical_partitioning(nn.initializers.zeros_init(), ("embed",))
        bias = self.param("patch_bias", bias_init, (sizes.width,))
        places_init = nn.with_logical_partitioning(normal, ("position", "embed"))
        places = self.param("places", places_init, (sizes.patches, sizes.width))
        tokens = _embed_patches(pixels, kernel) + bias + places
        for name, count in (("registers", sizes.registers), ("class_token", sizes.class_tokens)):
            if count:  # they have no place, and stand in front: the class token first
                learned = self.param(name, places_init, (count, sizes.width))
                repeated = jnp.broadcast_to(learned, (len(tokens), *learned.shape)).astype(tokens.dtype)
                tokens = jnp.concatenate([repeated, tokens], axis=1)
        block = keeping(self.kept, VisionBlock)
        for index in range(sizes.blocks):
            tokens = block(sizes, name=f"block_{index}")(tokens)
        return tokens[:, sizes.class_tokens + sizes.registers :]


def _embed_patches(pixels: Float[Array, "B S S 3"], kernel: Float[Array, "P P 3 F"]) -> Float[Array, "B N F"]:
    """A convolution whose steps are as long as its kernel, as one matrix product."""
    batch, side, _, channels = pixels.shape
    patch, _, _, width = kernel.shape
    count = side // patch
    pieces = pixels.reshape(batch, count, patch, count, patch, channels).swapaxes(2, 3)
    return pieces.reshape(batch, count * count, -1) @ kernel.reshape(-1, width)


class VisionBlock(nn.Module):
    """Pre-norm attention over all tokens, then an MLP; in DINOv2 each result is scaled by learned factors."""

    sizes: TowerSizes

    @nn.compact
    def __call__(self, tokens: Float[Array, "B N F"]) -> Float[Array, "B N F"]:
        """Returns tokens of the same shape."""
        sizes = self.sizes
        heads = (sizes.heads, sizes.width // sizes.heads)
        normalized = LayerNorm(is_exact=True, name="attention_norm")(tokens)
        qkv = DenseGeneral((3, *heads), ("embed", None, "heads", "head_dim"), name="qkv")(normalized)
        attended = attend(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2])
        mixed = DenseGeneral((sizes.width,), ("heads", "head_dim", "embed"), inputs=2, name="out")(attended)
        tokens = tokens + self._scaled(mixed, "attention_scale")
        mlp = Mlp(sizes.mlp_features, sizes.width, activation=exact_gelu, name="mlp")
        return tokens + self._scaled(mlp(LayerNorm(is_exact=True, name="mlp_norm")(tokens)), "mlp_scale")

    def _scaled(self, result: Float[Array, "B N F"], name: str) -> Float[Array, "B N F"]:
        if not self.sizes.has_layer_scale:
            return result
        init = nn.with_logical_partitioning(nn.initializers.constant(1e-5), ("embed",))
        return result * self.param(name, init, (self.sizes.width,))
