"""A second backbone, as different from the compact one as the interface lets it be."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from numpy.typing import NDArray

from rsd_jax.array_types import Features, PyTree
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.observation_needs import ObservationNeeds

LETTERS = 100


@dataclass(frozen=True)
class AverageColours:
    """The same features at every step of the chunk: average colours, state and letters, linearly."""

    width: int = 4
    chunk_length: int = 8
    chunks: int = 1
    oldest_memory: int = 0

    @property
    def observation_needs(self) -> ObservationNeeds:
        return ObservationNeeds(image_size=128, cameras=("agentview", "wrist"), state_size=8)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        return cls(**fields)

    def encode_instruction(self, instruction: str) -> NDArray[np.int32]:
        return np.array([ord(letter) for letter in instruction.ljust(LETTERS)[:LETTERS]], np.int32)

    def init(self, key: jax.Array) -> PyTree:
        kernel = 0.1 * jax.random.normal(key, (3 + 8 + LETTERS, self.width))
        return {"mix": nn.LogicallyPartitioned(kernel, (None, "embed"))}

    def features(self, params: PyTree, normalizer: ProprioNormalizer, inputs: PolicyInputs) -> Features:
        colours = inputs.images.mean(axis=(1, 2, 3)) / 255
        seen = jnp.concatenate([colours, normalizer.normalize(inputs.proprio), inputs.instruction_ids / 128], axis=1)
        return jnp.repeat((seen @ params["mix"])[:, None], self.chunk_length, axis=1)

    def augmented_features(
        self,
        augmentation: AugmentationConfig,
        params: PyTree,
        normalizer: ProprioNormalizer,
        inputs: PolicyInputs,
        key: jax.Array,
        compute_dtype: str = "float32",
    ) -> Features:
        del augmentation, key, compute_dtype
        return self.features(params, normalizer, inputs)
