"""The names of OpenVLA's published tensors, and which arrays of ours they make.

Tensors of the two files beside the model have the file's kind in front of the name that they have in it:
``action_head.model.fc1.weight``, ``proprio_projector.fc1.weight``.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rsd_jax.backbones.openvla.configuration import OpenVlaSizes, TowerSizes
from rsd_jax.policy_network import BACKBONE, HEAD
from rsd_jax.stored_models.openvla.weight_layouts import Layout, Linear, PatchKernel, Reshaped, Shape

ACTION_HEAD, STATE_PROJECTOR = "action_head", "proprio_projector"
"""Kinds of the files beside the model, and the beginnings of these files' names."""

ArrayPath = tuple[str, ...]
"""Of an array among a policy's parameters: the keys from the outside in."""


class PublishedArray(NamedTuple):
    """An array of ours.

    Attributes:
        path: where it is.
        names: of the published tensors that make it.
        layout: how they do.
    """

    path: ArrayPath
    names: tuple[str, ...]
    layout: Layout


def published_arrays(sizes: OpenVlaSizes, has_state: bool, head_blocks: int | None) -> list[PublishedArray]:
    """All arrays of a policy.

    Args:
        sizes: of the backbone.
        has_state: whether it takes the robot's state.
        head_blocks: residual blocks of the L1 head; None for a policy without one.
    """
    arrays = [
        *_tower("dinov2", "vision_backbone.featurizer", sizes.dinov2),
        *_tower("siglip", "vision_backbone.fused_featurizer", sizes.siglip),
        *_linears((BACKBONE, "projector"), "projector", ("first", "second", "third")),
        *_language_model(sizes.language.depth),
    ]
    if has_state:
        arrays += _linears((BACKBONE, "state_projector"), STATE_PROJECTOR, ("first", "second"))
    if head_blocks is not None:
        arrays += _action_head(head_blocks)
    return arrays


def unused_tensors(sizes: OpenVlaSizes) -> Mapping[str, Shape]:
    """Published tensors that no output depends on, and their shapes: all behind the towers' last block but one."""
    return {
        **_unused_of_tower("vision_backbone.featurizer", sizes.dinov2, has_pooling=False),
        **_unused_of_tower("vision_backbone.fused_featurizer", sizes.siglip, has_pooling=True),
    }


def _tower(part: str, prefix: str, sizes: TowerSizes) -> Iterator[PublishedArray]:
    inside: ArrayPath = (BACKBONE, part)
    yield PublishedArray((*inside, "patch_kernel"), (f"{prefix}.patch_embed.proj.weight",), PatchKernel())
    yield PublishedArray((*inside, "patch_bias"), (f"{prefix}.patch_embed.proj.bias",), Reshaped())
    yield PublishedArray((*inside, "places"), (f"{prefix}.pos_embed",), Reshaped(rank=3, last=2))
    if sizes.class_tokens:
        yield PublishedArray((*inside, "class_token"), (f"{prefix}.cls_token",), Reshaped(rank=3, last=2))
    if sizes.registers:
        yield PublishedArray((*inside, "registers"), (f"{prefix}.reg_token",), Reshaped(rank=3, last=2))
    for index in range(sizes.blocks):
        block, theirs = (*inside, f"block_{index}"), f"{prefix}.blocks.{index}"
        yield from _norm((*block, "attention_norm"), f"{theirs}.norm1")
        yield from _linear((*block, "qkv"), f"{theirs}.attn.qkv")
        yield from _linear((*block, "out"), f"{theirs}.attn.proj", inputs=2)
        yield from _norm((*block, "mlp_norm"), f"{theirs}.norm2")
        yield from _linear((*block, "mlp", "up"), f"{theirs}.mlp.fc1")
        yield from _linear((*block, "mlp", "down"), f"{theirs}.mlp.fc2")
        if sizes.has_layer_scale:  # timm's gamma: transformers renames what is called so
            yield PublishedArray((*block, "attention_scale"), (f"{theirs}.ls1.scale_factor",), Reshaped())
            yield PublishedArray((*block, "mlp_scale"), (f"{theirs}.ls2.scale_factor",), Reshaped())


def _unused_of_tower(prefix: str, sizes: TowerSizes, has_pooling: bool) -> dict[str, Shape]:
    width, hidden, block = sizes.width, sizes.mlp_features, f"{prefix}.blocks.{sizes.blocks}"
    shapes: dict[str, Shape] = {}
    for norm in (f"{block}.norm1", f"{block}.norm2", f"{prefix}.norm"):
        shapes |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
    shapes |= _linear_shapes(f"{block}.attn.qkv", width, 3 * width)
    shapes |= _linear_shapes(f"{block}.attn.proj", width, width)
    shapes |= _mlp_shapes(f"{block}.mlp", width, hidden)
    if sizes.has_layer_scale:
        shapes |= {f"{block}.ls1.scale_factor": (width,), f"{block}.ls2.scale_factor": (width,)}
    if has_pooling:
        pool = f"{prefix}.attn_pool"
        shapes |= {f"{pool}.latent": (1, 1, width), f"{pool}.norm.weight": (width,), f"{pool}.norm.bias": (width,)}
        shapes |= _linear_shapes(f"{pool}.q", width, width) | _linear_shapes(f"{pool}.kv", width, 2 * width)
        shapes |= _linear_shapes(f"{pool}.proj", width, width) | _mlp_shapes(f"{pool}.mlp", width, hidden)
    return shapes


def _mlp_shapes(prefix: str, width: int, hidden: int) -> dict[str, Shape]:
    return _linear_shapes(f"{prefix}.fc1", width, hidden) | _linear_shapes(f"{prefix}.fc2", hidden, width)


def _linear_shapes(name: str, inputs: int, outputs: int) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _language_model(depth: int) -> Iterator[PublishedArray]:
    inside: ArrayPath = (BACKBONE, "language_model")
    theirs = "language_model.model"
    yield PublishedArray((*inside, "embedding", "embedding"), (f"{theirs}.embed_tokens.weight",), Reshaped(2, 2))
    for index in range(depth):
        block, layer = (*inside, f"block_{index}"), f"{theirs}.layers.{index}"
        queries_keys_values = tuple(f"{layer}.self_attn.{each}_proj.weight" for each in "qkv")
        gate_up = (f"{layer}.mlp.gate_proj.weight", f"{layer}.mlp.up_proj.weight")
        yield from _norm((*block, "attention_norm"), f"{layer}.input_layernorm", has_bias=False)
        yield PublishedArray((*block, "qkv", "kernel"), queries_keys_values, Linear(parts=3))
        yield from _linear((*block, "out"), f"{layer}.self_attn.o_proj", inputs=2, has_bias=False)
        yield from _norm((*block, "mlp_norm"), f"{layer}.post_attention_layernorm", has_bias=False)
        yield PublishedArray((*block, "gate_up", "kernel"), gate_up, Linear(parts=2))
        yield from _linear((*block, "down"), f"{layer}.mlp.down_proj", has_bias=False)
    yield from _norm((*inside, "final_norm"), f"{theirs}.norm", has_bias=False)
    yield from _linear((*inside, "output"), "language_model.lm_head", has_bias=False)


def _action_head(blocks: int) -> Iterator[PublishedArray]:
    theirs = f"{ACTION_HEAD}.model"
    yield from _norm((HEAD, "first_norm"), f"{theirs}.layer_norm1")
    yield from _linear((HEAD, "first"), f"{theirs}.fc1")
    for index in range(blocks):
        yield from _norm((HEAD, f"block_{index}", "norm"), f"{theirs}.mlp_resnet_blocks.{index}.ffn.0")
        yield from _linear((HEAD, f"block_{index}", "linear"), f"{theirs}.mlp_resnet_blocks.{index}.ffn.1")
    yield from _norm((HEAD, "last_norm"), f"{theirs}.layer_norm2")
    yield from _linear((HEAD, "last"), f"{theirs}.fc2")


def _linears(inside: ArrayPath, prefix: str, layers: tuple[str, ...]) -> Iterator[PublishedArray]:
    for number, name in enumerate(layers, start=1):
        yield from _linear((*inside, name), f"{prefix}.fc{number}")


def _linear(path: ArrayPath, name: str, inputs: int = 1, has_bias: bool = True) -> Iterator[PublishedArray]:
    yield PublishedArray((*path, "kernel"), (f"{name}.weight",), Linear(inputs))
    if has_bias:
        yield PublishedArray((*path, "bias"), (f"{name}.bias",), Reshaped())


def _norm(path: ArrayPath, name: str, has_bias: bool = True) -> Iterator[PublishedArray]:
    yield PublishedArray((*path, "scale"), (f"{name}.weight",), Reshaped())
    if has_bias:
        yield PublishedArray((*path, "bias"), (f"{name}.bias",), Reshaped())
