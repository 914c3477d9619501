"""Calls that compute nothing: what is left of a call's time when its program is trivial."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from eval_bridge.policies.compiled_call import CompiledCall
from eval_bridge.policies.compiled_policy import LoadedModels
from eval_bridge.policies.decoder_interface import DecodedChunks
from eval_bridge.policies.decoder_models import Models
from eval_bridge.policies.embedded_arrays import EmbeddedArrays
from rsd_jax.array_types import PyTree
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.decoding import GivenTokens
from rsd_jax.decoding.acceptance import no_drafts


@dataclass(frozen=True)
class Nothing:
    """Zeros, whatever is seen (a `Decoder` of no registry)."""

    name: ClassVar[str] = "nothing"
    stages: ClassVar[tuple[str, ...]] = ()
    optional_stages: ClassVar[tuple[str, ...]] = ()

    def initial_state(self, models: Models) -> PyTree:
        """Nothing."""
        return ()

    def decode(
        self,
        models: Models,
        inputs: PolicyInputs,
        given: GivenTokens | None,
        state: PyTree,
        keys: jax.Array,
        asked: Bool[Array, "B"],
    ) -> tuple[DecodedChunks, PyTree]:
        """See `Decoder`."""
        rows, shape = len(asked), models.code_shape
        actions = jnp.zeros((rows, shape.chunk_length, 7))
        counts = no_drafts(rows, shape)
        return DecodedChunks(actions, jnp.zeros(rows, jnp.int32), counts, jnp.ones(rows, bool)), state


def empty_chunk(models: LoadedModels, batch: int) -> CompiledCall:
    """A call with the arguments of a deployed one: raw frames in, zeros out."""
    return CompiledCall(Nothing(), models.networks, EmbeddedArrays(models.arrays), (), batch, keep_unused=True)


def nothing_of(models: Models, features: jax.Array) -> jax.Array:
    """For a call with the arguments of a decoder's part (`stage_timing.compiled`)."""
    return jnp.zeros((len(features),), jnp.int32)
