"""Objective of fine-tuning OpenVLA: behaviour cloning of all its parameters, or of adapters beside frozen ones."""

from dataclasses import dataclass

import flax.struct
import jax
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.sharding import Mesh

from rsd_jax.array_types import PyTree
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.openvla.adapted_backbone import BASE, AdaptedOpenVla
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.distributed.split_rows import rows_stay_apart
from rsd_jax.policy_network import BACKBONE
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning, PolicyConstants, Prediction
from rsd_jax.training.objectives.interface import LossOutput, Variables

STATE_PROJECTOR = "state_projector"
"""Of the backbone, what is trained whole beside adapters (OpenVLA-OFT): it may be new."""


@flax.struct.dataclass
class FineTuningConstants(PolicyConstants):
    """What the loss needs beside the batch: `base`, the parameters that are not trained, in their places."""

    base: PyTree


@dataclass(frozen=True)
class FineTuning(BehaviourCloning):
    """The L1 distance to the demonstrated chunk, as OpenVLA-OFT is fine-tuned (Kim et al. 2025, arXiv 2502.19645).

    `frozen` are `FineTuningConstants`. Of an `AdaptedOpenVla` are trained adapters, state projector and head, of
    another backbone all parameters. Parameters are trained in the type that they have, and computed with in
    `compute_dtype`, but for the head, which computes in float32.

    Attributes:
        master_dtype: type of what is trained, float32 or bfloat16; adapters have their own.
        mesh: over which batches are split (`rows_stay_apart`); None for one device.
    """

    master_dtype: str = "float32"
    mesh: Mesh | None = None

    def init(self, key: jax.Array) -> Variables:
        """Draws what is trained."""
        return Variables(params=self.trained_part(self.network.init(key)), model_state={})

    def trained_part(self, params: PyTree) -> PyTree:
        """What is trained of drawn `params` of the whole network, in the type in which it is."""
        trained, _ = divided(self.network.backbone, params)
        dtype = self.master_dtype
        return jax.tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype == "float32" else leaf, trained)

    def loss(
        self, variables: Variables, frozen: PolicyConstants, batch: dict[str, jax.Array], key: jax.Array
    ) -> LossOutput:
        """See `BehaviourCloning`."""
        assert isinstance(frozen, FineTuningConstants)
        whole = variables._replace(params=joined(variables.params, frozen.base))
        with rows_stay_apart(self.mesh):
            return super().loss(whole, frozen, batch, key)

    def predict_with(
        self, base: PyTree, params: PyTree, proprio: ProprioNormalizer, inputs: PolicyInputs
    ) -> Prediction:
        """`predict` of what is trained, `params`, and what is not, `base`."""
        return self.predict(joined(params, base), proprio, inputs)


def divided(backbone: object, params: PyTree) -> tuple[PyTree, PyTree]:
    """Parameters of a `PolicyNetwork` with `backbone`: those that `FineTuning` trains, and those that it does not."""
    if not isinstance(backbone, AdaptedOpenVla):
        return params, {}
    leaves = flatten_dict(params)
    frozen = {path for path in leaves if path[:2] == (BACKBONE, BASE) and path[2] != STATE_PROJECTOR}
    return (
        unflatten_dict({path: leaf for path, leaf in leaves.items() if path not in frozen}),
        unflatten_dict({path: leaf for path, leaf in leaves.items() if path in frozen}),
    )


def joined(trained: PyTree, frozen: PyTree) -> PyTree:
    """Inverse of `divided`."""
    return unflatten_dict({**flatten_dict(trained), **flatten_dict(frozen)})
