"""A small backbone: convolutions for each camera, a transformer over all that is seen, felt and said.

Each camera is read by a network of its own into tokens (`rsd_jax.backbones.cameras`); with the robot's state and the
instruction they enter a transformer, beside one learned token for each step of the chunk::

    agentview ... | wrist ... | proprio | instruction ... | slot 0 ... slot C - 1
                                                    -> features [B, C, F]
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from rsd_jax.array_types import Features, PyTree
from rsd_jax.backbones.attention import attend
from rsd_jax.backbones.cameras import Camera, KeypointCamera, describe_camera, make_camera
from rsd_jax.backbones.image_preprocessing import AugmentationConfig, Pixels, augment_images, prepare_images
from rsd_jax.backbones.instruction_encoder import InstructionEncoder
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.partitioned_layers import Embedding, LayerNorm, Mlp

CAMERAS = ("agentview", "wrist")


@dataclass(frozen=True)
class CompactConfig:
    """Size of the compact backbone.

    Attributes:
        camera: network of each camera.
        chunk_length: C.
        image_size: side of the images that the cameras' networks see, in pixels.
        width: F, features of a token. depth: transformer blocks. heads: attention heads of a block.
        mlp_features: hidden features of a block's MLP.
        instruction_tokens: tokens that the instruction becomes.
    """

    camera: Camera = field(default_factory=KeypointCamera)
    chunk_length: int = 8
    image_size: int = 64
    width: int = 128
    depth: int = 2
    heads: int = 4
    mlp_features: int = 256
    instruction_tokens: int = 1

    def __post_init__(self) -> None:
        """Checks that heads divide the width."""
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}; it must be a multiple of heads = {self.heads}")


def make_compact_config(camera: Mapping[str, Any], **sizes: Any) -> CompactConfig:
    """A configuration from plain values: `camera` has ``kind`` and fields of `rsd_jax.backbones.cameras`.

    Raises:
        ValueError: a kind or field that does not exist, or sizes that do not fit together.
    """
    try:
        return CompactConfig(camera=make_camera(**camera), **sizes)
    except TypeError as error:
        raise ValueError(f"a compact backbone cannot be made of {sizes}: {error}") from error


def describe_compact_config(config: CompactConfig) -> dict[str, Any]:
    """The plain values that `make_compact_config` takes."""
    return {**asdict(config), "camera": describe_camera(config.camera)}


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
            attention_fn=attend,
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
        views = [config.camera.encoder(config.width, name)(pixels[:, index]) for index, name in enumerate(CAMERAS)]
        state = Mlp(config.width, config.width, axes=("proprio", "embed"), name="proprio")(proprio)
        language = InstructionEncoder(config.width, config.instruction_tokens, name="instruction")(instruction_ids)
        steps = jnp.broadcast_to(jnp.arange(config.chunk_length)[None], (pixels.shape[0], config.chunk_length))
        slots = Embedding(config.chunk_length, config.width, ("position", "embed"), name="slots")(steps)
        tokens = jnp.concatenate([*views, state[:, None], language, slots], axis=1)
        for index in range(config.depth):
            tokens = TransformerBlock(config, name=f"block_{index}")(tokens)
        return LayerNorm(name="final_norm")(tokens[:, -config.chunk_length :])


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
    compute_dtype: str = "float32",
) -> Features:
    """Features of randomly changed images and states, for training; consumes `key`.

    `compute_dtype` is that of all activations and matrix products; normalizations and softmax stay in float32.
    """
    image_key, noise_key = jax.random.split(key)
    pixels = augment_images(image_key, prepare_images(inputs.images, config.image_size), augmentation)
    proprio = normalizer.normalize(inputs.proprio)
    proprio = proprio + augmentation.proprio_noise * jax.random.normal(noise_key, proprio.shape)
    params, pixels, proprio = jax.tree.map(lambda array: array.astype(compute_dtype), (params, pixels, proprio))
    return _apply(config, params, pixels, proprio, inputs.instruction_ids).astype(jnp.float32)


def _apply(
    config: CompactConfig, params: PyTree, pixels: jax.Array, proprio: jax.Array, instruction_ids: jax.Array
) -> Features:
    return cast(jax.Array, CompactBackbone(config).apply({"params": params}, pixels, proprio, instruction_ids))
