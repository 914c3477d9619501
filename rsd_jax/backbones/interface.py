"""What a backbone is: sizes as a value, parameters as an argument, features as a pure function. Types only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from rsd_jax.array_types import Features, Images, PyTree
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.observation_needs import ObservationNeeds


class Memory(NamedTuple):
    """What another, larger backbone made of an earlier frame of the episode.

    Attributes:
        features: its features of that frame, all steps that it foresees, ``float32 [B, S, F]``.
        age: calls since then, each of a chunk's steps; 0 where there is none yet, whatever `features` hold.
    """

    features: Float[Array, "B S F"]
    age: Int[Array, "B"]


class PolicyInputs(NamedTuple):
    """One observation a row, before any preprocessing.

    Attributes:
        images: a frame of every camera of `ObservationNeeds`, in that order, at its size and as stored (upside-down),
            ``uint8 [B, N, H, W, 3]``.
        proprio: end-effector position (m), axis-angle (rad) and finger positions (m), ``float32 [B, 8]``.
        instruction_ids: of `Backbone.encode_instruction`, ``int32 [B, W]``.
        memory: for a backbone that takes one.
        for_draft: the same observation as the backbone of a draft policy takes it, where that is another kind of
            backbone or wants other frames (`rsd_jax.backbones.choice.take_same_inputs`); else None, and it takes this.
    """

    images: Images
    proprio: Float[Array, "B P"]
    instruction_ids: Int[Array, "B W"]
    memory: Memory | None = None
    for_draft: "PolicyInputs | None" = None


class Backbone(Protocol):
    """Maps observations to one feature vector for each step that it foresees, N chunks of C steps.

    The first chunk is what is acted on. What comes behind it is a prediction of what the policy will do next.

    Implementations are frozen dataclasses of sizes, hashable, and listed by name in `rsd_jax.backbones.choice`. Arrays
    are arguments: `params` is what training updates, the normalizer what it measured beforehand.
    """

    @property
    def chunk_length(self) -> int:
        """C, steps of a chunk."""
        ...

    @property
    def chunks(self) -> int:
        """N, chunks that are foreseen; 1 for a backbone that looks no further than what is acted on."""
        ...

    @property
    def oldest_memory(self) -> int:
        """The largest age of the `Memory` that it takes; 0 for a backbone without one."""
        ...

    @property
    def width(self) -> int:
        """F, features of a step."""
        ...

    @property
    def observation_needs(self) -> ObservationNeeds:
        """What it wants to be shown."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Its fields as JSON values."""
        ...

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`; fields that are left out have their defaults.

        Raises:
            ValueError: fields that do not exist, or do not fit together.
        """
        ...

    def encode_instruction(self, instruction: str) -> NDArray[np.int32]:
        """An instruction as ``int32 [W]``, W being the same for all."""
        ...

    def init(self, key: jax.Array) -> PyTree:
        """Draws the parameters, a nested dict whose leaves carry logical axis names; traceable, consumes `key`."""
        ...

    def features(self, params: PyTree, normalizer: ProprioNormalizer, inputs: PolicyInputs) -> Features:
        """Features ``[B, N * C, F]``, float32, of observations as they come: nothing random."""
        ...

    def augmented_features(
        self,
        augmentation: AugmentationConfig,
        params: PyTree,
        normalizer: ProprioNormalizer,
        inputs: PolicyInputs,
        key: jax.Array,
        compute_dtype: str = "float32",
    ) -> Features:
        """Features ``[B, N * C, F]``, float32, of randomly changed images and states, for training; consumes `key`.

        `compute_dtype` is that of activations and matrix products.
        """
        ...


@runtime_checkable
class ComputesIn(Protocol):
    """A `Backbone` whose activations, and with them its features, have the values of a type of their own."""

    @property
    def compute_dtype(self) -> str:
        """Its name: ``float32`` or ``bfloat16``."""
        ...


@runtime_checkable
class KeepsFiles(Protocol):
    """A `Backbone` that reads files which lie beside its parameters in a checkpoint, such as a tokenizer's."""

    def with_files(self, checkpoint: Path) -> Self:
        """The same, reading the files in the folder `checkpoint`."""
        ...
