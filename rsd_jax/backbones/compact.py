"""A small backbone that trains in minutes on a few CPU cores.

Each camera is read by a convolutional network of its own into keypoints (where things are, to a fraction of a pixel)
and average-pooled features (what is there); with the robot's state and the instruction they become a few tokens of a
transformer, beside one learned token for each step of the chunk::

    agentview: keypoints, pooled | wrist: keypoints, pooled | proprio | instruction | slot 0 ... slot C - 1
                                                                                       -> features [B, C, F]
"""

from dataclasses import dataclass
from typing import cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from rsd_jax.array_types import Features, PyTree
from rsd_jax.backbones.image_preprocessing import AugmentationConfig, Pixels, augment_images, prepare_images
from rsd_jax.backbones.instruction import PADDING, VOCABULARY_SIZE
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.partitioned_layers import Conv, Dense, Embedding, LayerNorm, Mlp

CAMERAS = ("agentview", "wrist")


@dataclass(frozen=True)
class CompactConfig:
    """Size of the compact backbone.

    Attributes:
        chunk_length: C.
        image_size: side of the images that the convolutions see, in pixels.
        conv_features: channels of the convolutions.
        conv_kernels: their kernel sizes. conv_strides: their strides.
        keypoints: keypoints a camera.
        width: F, features of a token. depth: transformer blocks. heads: attention heads of a block.
        mlp_features: hidden features of a block's MLP.
    """

    chunk_length: int = 8
    image_size: int = 64
    conv_features: tuple[int, ...] = (16, 32, 32)
    conv_kernels: tuple[int, ...] = (5, 3, 3)
    conv_strides: tuple[int, ...] = (2, 2, 1)
    keypoints: int = 32
    width: int = 128
    depth: int = 2
    heads: int = 4
    mlp_features: int = 256

    def __post_init__(self) -> None:
        """Checks that the convolutions are described completely, and that heads divide the width."""
        lengths = {len(self.conv_features), len(self.conv_kernels), len(self.conv_strides)}
        if len(lengths) != 1:
            raise ValueError(
                f"conv_features {self.conv_features}, conv_kernels {self.conv_kernels} and conv_strides "
                f"{self.conv_strides} must have one entry for each convolution"
            )
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}; it must be a multiple of heads = {self.heads}")


class CameraEncoder(nn.Module):
    """Convolutions, then spatial-softmax keypoints and average pooling."""

    config: CompactConfig

    @nn.compact
    def __call__(self, pixels: Float[Array, "B S S 3"]) -> Float[Array, "B 2 F"]:
        """Returns the keypoint token and the appearance token of one camera."""
        config, maps = self.config, pixels
        convolutions = zip(config.conv_features, config.conv_kernels, config.conv_strides, strict=True)
        for features, kernel, stride in convolutions:
            maps = Conv(features, (kernel, kernel), ("channels", "channels"), strides=stride)(maps)
            maps = nn.relu(_group_norm(features)(maps))
        keypoints = spatial_softmax(Conv(config.keypoints, (1, 1), ("channels", "channels"), name="keypoints")(maps))
        where = Dense(config.width, ("channels", "embed"), name="where")(keypoints)
        what = Dense(config.width, ("channels", "embed"), name="what")(maps.mean(axis=(1, 2)))
        return jnp.stack([where, what], axis=1)


class TransformerBlock(nn.Module):
    """Pre-norm self-attention over all tokens, then an MLP."""

    config: CompactConfig

    @nn.compact
    def __call__(self, tokens: Float[Array, "B N F"]) -> Float[Array, "B N F"]:
        """Returns tokens of the same shape."""
        init = nn.initializers.lecun_normal()
        attention = nn.MultiHeadDotProductAttention(
            self.config.heads,
            use_bias=False,
            kernel_init=nn.with_logical_partitioning(init, ("embed", "heads", "head_dim")),
            out_kernel_init=nn.with_logical_partitioning(init, ("heads", "head_dim", "embed")),
        )
        tokens = tokens + attention(LayerNorm()(tokens))
        return tokens + Mlp(self.config.mlp_features, self.config.width)(LayerNorm()(tokens))


class CompactBackbone(nn.Module):
    """Features of one observation for every step of the chunk; see the module's picture."""

    config: CompactConfig

    @nn.compact
    def __call__(self, pixels: Pixels, proprio: Float[Array, "B P"], instruction_ids: Int[Array, "B W"]) -> Features:
        """Maps prepared pixels, normalised proprio and word ids to features ``[B, C, F]``."""
        config = self.config
        views = [CameraEncoder(config, name=name)(pixels[:, index]) for index, name in enumerate(CAMERAS)]
        state = Mlp(config.width, config.width, axes=("proprio", "embed"), name="proprio")(proprio)
        language = InstructionEncoder(config.width, name="instruction")(instruction_ids)
        steps = jnp.broadcast_to(jnp.arange(config.chunk_length)[None], (pixels.shape[0], config.chunk_length))
        slots = Embedding(config.chunk_length, config.width, ("position", "embed"), name="slots")(steps)
        tokens = jnp.concatenate([*views, state[:, None], language[:, None], slots], axis=1)
        for index in range(config.depth):
            tokens = TransformerBlock(config, name=f"block_{index}")(tokens)
        return LayerNorm(name="final_norm")(tokens[:, -config.chunk_length :])


class InstructionEncoder(nn.Module):
    """Mean over the words of an embedding of the word at its place."""

    width: int

    @nn.compact
    def __call__(self, instruction_ids: Int[Array, "B W"]) -> Float[Array, "B F"]:
        """Returns one vector an instruction; padding counts for nothing."""
        words = Embedding(VOCABULARY_SIZE, self.width, ("vocab", "embed"), name="words")(instruction_ids)
        length = instruction_ids.shape[1]
        places = Embedding(length, self.width, ("position", "embed"), name="places")(jnp.arange(length))
        # The nonlinearity ties a word to its place: "left ... right" and "right ... left" have different means.
        embedded = nn.gelu(LayerNorm(name="word_norm")(words + places[None]))
        is_word = (instruction_ids != PADDING)[..., None]
        mean = jnp.sum(embedded * is_word, axis=1) / jnp.maximum(jnp.sum(is_word, axis=1), 1)
        return Dense(self.width, ("embed", "embed"), name="project")(mean)


def spatial_softmax(maps: Float[Array, "B H W K"]) -> Float[Array, "B M"]:
    """Expected image coordinates of each map under a softmax over its pixels.

    Finn et al. 2016, "Deep Spatial Autoencoders for Visuomotor Learning", section IV-A. A map with one peak gives that
    peak's place to a fraction of a pixel; the temperature is the scale that the map's convolution learns.

    Returns:
        All x, then all y, in [-1, 1] from left to right and from top to bottom, ``M = 2 K``.
    """
    batch, height, width, count = maps.shape
    attention = jax.nn.softmax(maps.reshape(batch, height * width, count), axis=1).reshape(maps.shape)
    x = jnp.einsum("bhwk,w->bk", attention, jnp.linspace(-1.0, 1.0, width))
    y = jnp.einsum("bhwk,h->bk", attention, jnp.linspace(-1.0, 1.0, height))
    return jnp.concatenate([x, y], axis=-1)


def initial_compact_params(config: CompactConfig, key: jax.Array, inputs: PolicyInputs) -> PyTree:
    """Draws the parameters, with logical axis names, for inputs shaped like `inputs`; consumes `key`."""
    pixels = prepare_images(inputs.images, config.image_size)
    return CompactBackbone(config).init(key, pixels, inputs.proprio, inputs.instruction_ids)["params"]


def compact_features(
    config: CompactConfig, params: PyTree, normalizer: ProprioNormalizer, inputs: PolicyInputs
) -> Features:
    """Features of observations as they come; with `config` bound, a `BackboneFn`."""
    pixels = prepare_images(inputs.images, config.image_size)
    return _apply(config, params, pixels, normalizer.normalize(inputs.proprio), inputs.instruction_ids)


def augmented_compact_features(
    config: CompactConfig,
    augmentation: AugmentationConfig,
    params: PyTree,
    normalizer: ProprioNormalizer,
    inputs: PolicyInputs,
    key: jax.Array,
) -> Features:
    """Features of randomly changed images and states, for training; consumes `key`."""
    image_key, noise_key = jax.random.split(key)
    pixels = augment_images(image_key, prepare_images(inputs.images, config.image_size), augmentation)
    proprio = normalizer.normalize(inputs.proprio)
    proprio = proprio + augmentation.proprio_noise * jax.random.normal(noise_key, proprio.shape)
    return _apply(config, params, pixels, proprio, inputs.instruction_ids)


def _apply(
    config: CompactConfig, params: PyTree, pixels: jax.Array, proprio: jax.Array, instruction_ids: jax.Array
) -> Features:
    return cast(jax.Array, CompactBackbone(config).apply({"params": params}, pixels, proprio, instruction_ids))


def _group_norm(features: int) -> nn.GroupNorm:
    return nn.GroupNorm(
        num_groups=None,
        group_size=min(8, features),
        scale_init=nn.with_logical_partitioning(nn.initializers.ones_init(), ("channels",)),
        bias_init=nn.with_logical_partitioning(nn.initializers.zeros_init(), ("channels",)),
    )
