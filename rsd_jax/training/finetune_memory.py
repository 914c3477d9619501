"""What a step of fine-tuning OpenVLA holds on every device, counted in bytes before anything is run."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.core import meta
from jax.sharding import AbstractMesh, Mesh

from rsd_jax.array_types import PyTree
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import LanguageSizes, TowerSizes
from rsd_jax.distributed.sharding_rules import state_shardings
from rsd_jax.policy_network import BACKBONE
from rsd_jax.training.objectives.fine_tuning import FineTuning, divided


class StepMemory(NamedTuple):
    """Bytes of a device.

    The first four are exact, as the arrays are split. The others are counted from the networks' sizes, with all that
    a compiler may keep of them; what it adds (fragments, workspaces, a second copy while it exchanges) is not in them.

    Attributes:
        trained: parameters that are trained. moments: of the optimizer. frozen: parameters that are not trained.
        gradients: of what is trained, all at once, for their norm comes before the update.
        cast: copies of the backbone's trained parameters in the type of the products, where that is another.
        gathered: parameters of the largest block, whole, twice: the next one's come while one is computed.
        activations: kept from the forward pass for the backward one.
        block: of the largest block while its backward pass runs: all its activations and as many gradients.
    """

    trained: int
    moments: int
    frozen: int
    gradients: int
    cast: int
    gathered: int
    activations: int
    block: int

    @property
    def total(self) -> int:
        """All together."""
        return sum(self)


def step_memory(
    objective: FineTuning, optimizer: optax.GradientTransformation, mesh: Mesh | AbstractMesh, rows: int
) -> StepMemory:
    """Counts a step.

    Args:
        objective: what is trained, and how.
        optimizer: its state counts.
        mesh: with the axes of `rsd_jax.distributed.mesh.MESH_AXES`; there need be no such devices.
        rows: of the batch of all devices.

    Raises:
        ValueError: the mesh divides neither the batch nor the parameters evenly.
    """
    backbone = objective.network.backbone
    assert isinstance(backbone, OpenVlaBackbone)
    shards = mesh.shape["data"] * mesh.shape["fsdp"]
    if rows % shards:
        raise ValueError(f"rows is {rows}; it must be divisible by mesh data x fsdp = {shards}")
    whole = jax.eval_shape(objective.network.init, jax.random.key(0))
    trained = jax.eval_shape(objective.trained_part, whole)
    _, frozen = divided(backbone, whole)
    item = jnp.dtype(objective.compute_dtype).itemsize
    is_cast = [leaf.dtype != objective.compute_dtype for leaf in jax.tree.leaves(meta.unbox(trained[BACKBONE]))]
    moments = jax.eval_shape(optimizer.init, trained)
    kept, largest = _activations(backbone, item, mesh.shape["tensor"])
    return StepMemory(
        trained=_bytes(trained, mesh),
        moments=_bytes(moments, mesh),
        frozen=_bytes(frozen, mesh, item),
        gradients=_bytes(trained, mesh),
        cast=_bytes(trained[BACKBONE], mesh, item) if any(is_cast) else 0,
        gathered=0 if mesh.shape["fsdp"] == 1 else 2 * item * _largest_block(backbone) // mesh.shape["tensor"],
        activations=rows // shards * kept,
        block=rows // shards * 2 * largest,
    )


def positions(backbone: OpenVlaBackbone) -> int:
    """Places of the sequence that enters the language model: images, state, prompt, slots, begin and stop."""
    patches = len(backbone.cameras) * backbone.sizes.dinov2.patches
    return patches + (backbone.state_size > 0) + backbone.prompt_length + backbone.slots + 1


def _bytes(tree: PyTree, mesh: Mesh | AbstractMesh, item: int | None = None) -> int:
    """Of a device's part of the arrays of `tree`, whose leaves name their axes; `item` bytes an element if given."""
    leaves, shardings = jax.tree.leaves(meta.unbox(tree)), jax.tree.leaves(state_shardings(tree, mesh))
    return sum(
        math.prod(sharding.shard_shape(leaf.shape)) * (item or leaf.dtype.itemsize)
        for leaf, sharding in zip(leaves, shardings, strict=True)
    )


def _largest_block(backbone: OpenVlaBackbone) -> int:
    """Parameters of a block of the language model."""
    language = backbone.sizes.language
    return 4 * language.width**2 + 3 * language.width * language.mlp_features


def _activations(backbone: OpenVlaBackbone, item: int, tensor: int) -> tuple[int, int]:
    """Bytes of a row: what is kept of all blocks, and everything of the largest block."""
    sizes, cameras = backbone.sizes, len(backbone.cameras)
    kept, largest = 0, 0
    for tower in (sizes.dinov2, sizes.siglip):
        tokens = cameras * (tower.patches + tower.class_tokens + tower.registers)
        features = _features_of_block(tower, mlp_parts=1, tensor=tensor)
        kept += tower.blocks * tokens * features[backbone.kept_activations]
        largest = max(largest, tokens * features["all"])
    tokens = positions(backbone)
    features = _features_of_block(sizes.language, mlp_parts=2, tensor=tensor)
    kept += backbone.depth * tokens * features[backbone.kept_activations]
    largest = max(largest, tokens * features["all"])
    # The projector's two hidden layers, before and behind their nonlinearity.
    projected = cameras * sizes.dinov2.patches * (8 * sizes.vision_width + 2 * sizes.language.width)
    return item * (kept + projected), item * largest


def _features_of_block(sizes: TowerSizes | LanguageSizes, mlp_parts: int, tensor: int) -> dict[str, int]:
    """Numbers that a block keeps of a token, by `KEPT_ACTIVATIONS`; hidden axes are split over `tensor` devices."""
    width, hidden = sizes.width, sizes.mlp_features
    products = (3 * width + mlp_parts * hidden) // tensor + 2 * width  # qkv and MLP; out and down
    # Two normalised inputs, two sums; queries and keys turned and the attended values; the MLP behind its gate.
    others = 4 * width + (3 * width + mlp_parts * hidden) // tensor
    return {"inputs": width, "products": width + products, "all": width + products + others}


def gibibytes(memory: StepMemory) -> dict[str, Any]:
    """Its parts and their sum in GiB, for people."""
    return {name: round(float(np.asarray(size) / 2**30), 2) for name, size in memory._asdict().items()} | {
        "total": round(memory.total / 2**30, 2)
    }
