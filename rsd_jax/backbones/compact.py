"""A small backbone: convolutions for each camera, a transformer over all that is seen, felt and said.

Each camera is read by a network of its own into tokens (`rsd_jax.backbones.cameras`); with the robot's state and the
instruction they enter a transformer, beside one learned token for each step that is foreseen. The wrist may be read by
a second network, for keypoints::

    agentview ... | wrist ... | (wrist keypoints) | proprio | instruction ... | slot 0 ... slot N * C - 1
                                                    -> features [B, N * C, F]
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from rsd_jax.array_types import Features, PyTree
from rsd_jax.backbones.cameras import Camera, KeypointCamera, describe_camera, make_camera
from rsd_jax.backbones.image_preprocessing import AugmentationConfig, Pixels, augment_images, prepare_images
from rsd_jax.backbones.instruction import INSTRUCTION_LENGTH, encode_instruction
from rsd_jax.backbones.instruction_encoder import InstructionEncoder
from rsd_jax.backbones.interface import Memory, PolicyInputs
from rsd_jax.backbones.proprioception import ALL, ProprioNormalizer, Told, augment_proprio, told_of
from rsd_jax.backbones.transformer_block import TransformerBlock
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.partitioned_layers import Dense, Embedding, LayerNorm, Mlp

NEEDS = ObservationNeeds(image_size=128, cameras=("agentview", "wrist"), state_size=8)
"""Frames as demonstrations store them; the networks see them reduced to `CompactBackbone.image_size`."""


@dataclass(frozen=True)
class CompactBackbone:
    """The compact backbone: its sizes, and what it computes from parameters and inputs (an `EarlyExitBackbone`).

    Attributes:
        camera: network of each camera.
        chunk_length: C. chunks: N, see `Backbone`.
        image_size: side of the images that the cameras' networks see, in pixels.
        width: F, features of a token. depth: transformer blocks. heads: attention heads of a block.
        mlp_features: hidden features of a block's MLP.
        instruction_tokens: tokens that the instruction becomes.
        memory_steps, memory_width: S, of whole chunks, and F of the `Memory` that it takes; 0 for none.
        oldest_memory: its largest age.
        proprio: what it is told of the robot's state (`Told`); no parameter depends on it.
        wrist_keypoints: keypoints that are read from the wrist camera beside its other tokens; 0 for none.
    """

    camera: Camera = field(default_factory=KeypointCamera)
    chunk_length: int = 8
    image_size: int = 64
    width: int = 128
    depth: int = 2
    heads: int = 4
    mlp_features: int = 256
    instruction_tokens: int = 1
    chunks: int = 1
    memory_steps: int = 0
    memory_width: int = 0
    oldest_memory: int = 0
    proprio: Told = "all"
    wrist_keypoints: int = 0

    def __post_init__(self) -> None:
        """Checks that heads divide the width, that there is a chunk, that a memory is of whole chunks, and names."""
        if self.proprio not in get_args(Told):
            raise ValueError(f"proprio is {self.proprio!r}; it must be one of {', '.join(get_args(Told))}")
        if self.wrist_keypoints < 0:
            raise ValueError(f"wrist_keypoints is {self.wrist_keypoints}; it must be 0, for none, or more")
        if self.chunks < 1:
            raise ValueError(f"chunks is {self.chunks}; it must be at least 1, the chunk that is acted on")
        if self.memory_steps % self.chunk_length:
            raise ValueError(
                f"memory_steps is {self.memory_steps}; it must be a multiple of chunk_length = {self.chunk_length}"
            )
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}; it must be a multiple of heads = {self.heads}")

    @property
    def observation_needs(self) -> ObservationNeeds:
        """The same of every size."""
        return NEEDS

    def to_json(self) -> dict[str, Any]:
        """Its fields as JSON values; `camera` has ``kind`` and fields of `rsd_jax.backbones.cameras`.

        What came later is left out where it does nothing: checkpoints of a time without it stay as they are.
        """
        fields = {**asdict(self), "camera": describe_camera(self.camera)}
        later: dict[str, Any] = {"chunks": 1, "memory_steps": 0, "memory_width": 0, "oldest_memory": 0}
        later |= {"proprio": ALL, "wrist_keypoints": 0}
        return {name: value for name, value in fields.items() if later.get(name) != value}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`.

        Raises:
            ValueError: a kind of camera or a field that does not exist, or sizes that do not fit together.
        """
        try:
            camera = {"camera": make_camera(**fields["camera"])} if "camera" in fields else {}
            return cls(**{**fields, **camera})
        except TypeError as error:
            raise ValueError(f"a compact backbone cannot be made of {dict(fields)}: {error}") from error

    def encode_instruction(self, instruction: str) -> NDArray[np.int32]:
        """Word ids of `rsd_jax.backbones.instruction`, 0 behind the last word."""
        return encode_instruction(instruction)

    def init(self, key: jax.Array) -> PyTree:
        """Draws the parameters; see `Backbone`."""
        pixels = jnp.zeros((1, len(NEEDS.cameras), self.image_size, self.image_size, 3), jnp.uint8)
        proprio = jnp.zeros((1, NEEDS.state_size), jnp.float32)
        instruction_ids = jnp.ones((1, INSTRUCTION_LENGTH), jnp.int32)
        inputs = (prepare_images(pixels, self.image_size), proprio, instruction_ids, self._no_memory())
        return CompactNetwork(self).init(key, *inputs)["params"]

    def features(self, params: PyTree, normalizer: ProprioNormalizer, inputs: PolicyInputs) -> Features:
        """Features of observations as they come; see `Backbone`."""
        return self.features_from(params, self.early_tokens(params, normalizer, inputs, self.depth), self.depth)

    def augmented_features(
        self,
        augmentation: AugmentationConfig,
        params: PyTree,
        normalizer: ProprioNormalizer,
        inputs: PolicyInputs,
        key: jax.Array,
        compute_dtype: str = "float32",
    ) -> Features:
        """Features for training, see `Backbone`; normalizations and softmax stay in float32."""
        given = augmentation, params, normalizer, inputs, key, self.depth, compute_dtype
        return self.features_from(params, self.augmented_early_tokens(*given), self.depth)

    def early_tokens(
        self, params: PyTree, normalizer: ProprioNormalizer, inputs: PolicyInputs, blocks: int
    ) -> Float[Array, "B N F"]:
        """See `EarlyExitBackbone`; `blocks` may also be 0 or all."""
        pixels = prepare_images(inputs.images, self.image_size)
        return self._first(params, pixels, normalizer.normalize(inputs.proprio), inputs, blocks)

    def augmented_early_tokens(
        self,
        augmentation: AugmentationConfig,
        params: PyTree,
        normalizer: ProprioNormalizer,
        inputs: PolicyInputs,
        key: jax.Array,
        blocks: int,
        compute_dtype: str = "float32",
    ) -> Float[Array, "B N F"]:
        """See `EarlyExitBackbone`."""
        image_key, noise_key = jax.random.split(key)
        pixels = augment_images(image_key, prepare_images(inputs.images, self.image_size), augmentation)
        proprio = augment_proprio(noise_key, normalizer.normalize(inputs.proprio), augmentation)
        params, pixels, proprio = jax.tree.map(lambda array: array.astype(compute_dtype), (params, pixels, proprio))
        if inputs.memory is not None:
            remembered = inputs.memory.features.astype(compute_dtype)
            inputs = inputs._replace(memory=inputs.memory._replace(features=remembered))
        return self._first(params, pixels, proprio, inputs, blocks)

    def exit_slots(self, tokens: Float[Array, "B N F"]) -> Features:
        """See `EarlyExitBackbone`: the tokens of the steps that are foreseen are the last."""
        steps = tokens[:, -self.chunks * self.chunk_length :]
        return steps[:, : self.chunk_length].astype(jnp.float32)

    def features_from(self, params: PyTree, tokens: Float[Array, "B N F"], blocks: int) -> Features:
        """See `EarlyExitBackbone`."""
        params = jax.tree.map(lambda array: array.astype(tokens.dtype), params)
        return CompactNetwork(self).apply({"params": params}, tokens, blocks, method="last_blocks").astype(jnp.float32)

    def _first(
        self, params: PyTree, pixels: jax.Array, proprio: jax.Array, inputs: PolicyInputs, blocks: int
    ) -> Float[Array, "B N F"]:
        taken = (self.memory_steps, self.memory_width) if self.memory_steps else None
        given = None if inputs.memory is None else inputs.memory.features.shape[1:]
        if given != taken:
            kind, wanted = (f"a memory of [S, F] = {list(each)}" if each else "no memory" for each in (given, taken))
            raise ValueError(f"inputs.memory is {kind}, and this backbone takes {wanted}; give it what it takes")
        seen = (pixels, told_of(proprio, self.proprio), inputs.instruction_ids, inputs.memory)
        return CompactNetwork(self).apply({"params": params}, *seen, blocks=blocks, method="first_blocks")

    def _no_memory(self) -> Memory | None:
        """One row of a memory that there is none of; None for a backbone that takes none."""
        if not self.memory_steps:
            return None
        return Memory(jnp.zeros((1, self.memory_steps, self.memory_width), jnp.float32), jnp.zeros(1, jnp.int32))


class MemoryTokens(nn.Module):
    """A token for each chunk that was foreseen, with its place and the memory's age added; of none, zeros."""

    sizes: CompactBackbone

    @nn.compact
    def __call__(self, memory: Memory) -> Float[Array, "B N F"]:
        """Maps a memory to tokens."""
        sizes, chunks = self.sizes, self.sizes.memory_steps // self.sizes.chunk_length
        is_there = (memory.age > 0)[:, None, None].astype(memory.features.dtype)
        of_chunks = (memory.features * is_there).reshape(len(memory.age), chunks, -1)
        tokens = Dense(sizes.width, (None, "embed"), name="tokens")(of_chunks)
        places = Embedding(chunks, sizes.width, ("position", "embed"), name="places")
        ages = Embedding(sizes.oldest_memory + 1, sizes.width, ("position", "embed"), name="ages")
        return tokens + places(jnp.arange(chunks))[None] + ages(memory.age)[:, None]


class CompactNetwork(nn.Module):
    """Features of one observation for every step that is foreseen; see the module's picture."""

    sizes: CompactBackbone

    def setup(self) -> None:
        """Names the parts as checkpoints do."""
        sizes = self.sizes
        self.views = [sizes.camera.encoder(sizes.width, name) for name in NEEDS.cameras]
        if sizes.wrist_keypoints:
            keypoints = KeypointCamera(keypoints=sizes.wrist_keypoints)
            self.wrist_points = keypoints.encoder(sizes.width, "wrist_keypoints")
        self.state = Mlp(sizes.width, sizes.width, axes=("proprio", "embed"), name="proprio")
        self.language = InstructionEncoder(sizes.width, sizes.instruction_tokens, name="instruction")
        self.slots = Embedding(sizes.chunks * sizes.chunk_length, sizes.width, ("position", "embed"))
        self.remembered = MemoryTokens(sizes, name="memory")
        block = sizes.width, sizes.heads, sizes.mlp_features
        self.blocks = [TransformerBlock(*block, name=f"block_{index}") for index in range(sizes.depth)]
        self.final_norm = LayerNorm()

    def __call__(
        self,
        pixels: Pixels,
        proprio: Float[Array, "B P"],
        instruction_ids: Int[Array, "B W"],
        memory: Memory | None = None,
    ) -> Features:
        """Maps prepared pixels, normalised proprio, word ids and a memory to features ``[B, N * C, F]``."""
        tokens = self.first_blocks(pixels, proprio, instruction_ids, memory, self.sizes.depth)
        return self.last_blocks(tokens, self.sizes.depth)

    def first_blocks(
        self,
        pixels: Pixels,
        proprio: Float[Array, "B P"],
        instruction_ids: Int[Array, "B W"],
        memory: Memory | None,
        blocks: int,
    ) -> Float[Array, "B N F"]:
        """All tokens after the first `blocks` blocks; those of the steps that are foreseen are the last."""
        steps = self.sizes.chunks * self.sizes.chunk_length
        state, language = self.state(proprio), self.language(instruction_ids)
        meaning = language.mean(axis=1)
        views = [encode(pixels[:, index], meaning) for index, encode in enumerate(self.views)]
        if self.sizes.wrist_keypoints:
            views.append(self.wrist_points(pixels[:, NEEDS.cameras.index("wrist")], meaning))
        slots = self.slots(jnp.broadcast_to(jnp.arange(steps)[None], (pixels.shape[0], steps)))
        remembered = [] if memory is None else [self.remembered(memory)]
        tokens = jnp.concatenate([*views, state[:, None], language, *remembered, slots], axis=1)
        for block in self.blocks[:blocks]:
            tokens = block(tokens)
        return tokens

    def last_blocks(self, tokens: Float[Array, "B N F"], blocks: int) -> Features:
        """Features ``[B, N * C, F]`` of the tokens after the first `blocks` blocks."""
        for block in self.blocks[blocks:]:
            tokens = block(tokens)
        return self.final_norm(tokens[:, -self.sizes.chunks * self.sizes.chunk_length :])
