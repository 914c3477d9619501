"""A backbone that can stop after its first blocks, and go on from there."""

from typing import Protocol, runtime_checkable

import jax

from rsd_jax.array_types import Features, PyTree
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.interface import Backbone, PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer


@runtime_checkable
class EarlyExitBackbone(Backbone, Protocol):
    """A `Backbone` of blocks that map tokens to tokens, which may be left between two of them.

    What comes out of the first m blocks and goes into the others is a tree of arrays: tokens, and what else the others
    must know of them. The two parts together are the whole: ``features_from`` of ``early_tokens`` is
    `Backbone.features`, and of ``augmented_early_tokens`` it is `Backbone.augmented_features`, to the last bit where
    they are compiled alike.
    """

    @property
    def depth(self) -> int:
        """Blocks."""
        ...

    def early_tokens(self, params: PyTree, normalizer: ProprioNormalizer, inputs: PolicyInputs, blocks: int) -> PyTree:
        """Tokens after the first `blocks` blocks, of observations as they come, in the type that it computes in."""
        ...

    def augmented_early_tokens(
        self,
        augmentation: AugmentationConfig,
        params: PyTree,
        normalizer: ProprioNormalizer,
        inputs: PolicyInputs,
        key: jax.Array,
        blocks: int,
        compute_dtype: str = "float32",
    ) -> PyTree:
        """The same of randomly changed images and states, in `compute_dtype`; consumes `key`."""
        ...

    def exit_slots(self, tokens: PyTree) -> Features:
        """Of tokens after some blocks those of the chunk to act on, ``float32 [B, C, F]``, not normalised."""
        ...

    def features_from(self, params: PyTree, tokens: PyTree, blocks: int) -> Features:
        """Features ``[B, N * C, F]``, float32, of tokens after the first `blocks` blocks, computed in their type."""
        ...


def early_exit_backbone(backbone: Backbone, blocks: int) -> EarlyExitBackbone:
    """`backbone` as one that can be left after its first `blocks` blocks; after all, to tell what leaving early costs.

    Raises:
        ValueError: it cannot, or it has not as many blocks.
    """
    if not isinstance(backbone, EarlyExitBackbone):
        raise ValueError(
            f"{type(backbone).__name__} cannot be left between its blocks, as the decoder early_exit asks of a "
            "backbone (EarlyExitBackbone); choose the decoder cascade, whose draft policy sees for itself"
        )
    if not 0 < blocks <= backbone.depth:
        raise ValueError(
            f"blocks is {blocks}; it must be at least 1 and at most depth = {backbone.depth} of the main policy's "
            "backbone"
        )
    return backbone
