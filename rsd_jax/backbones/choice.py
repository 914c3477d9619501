"""Backbones by name, so that a configuration or a checkpoint can say which one it means."""

from collections.abc import Mapping
from typing import Any

from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.interface import Backbone
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone

COMPACT = "compact"
"""What is meant where no kind is given: the checkpoints of a time with one backbone give none."""

BACKBONES: Mapping[str, type[Backbone]] = {COMPACT: CompactBackbone, "openvla": OpenVlaBackbone}


def make_backbone(kind: str = COMPACT, **fields: Any) -> Backbone:
    """A backbone from plain values: its name among `BACKBONES`, and its fields.

    Raises:
        ValueError: a kind or field that does not exist, or fields that do not fit together.
    """
    if kind not in BACKBONES:
        raise ValueError(f"backbone kind is {kind!r}; it must be one of {', '.join(BACKBONES)}")
    return BACKBONES[kind].from_json(fields)


def take_same_inputs(one: Backbone, other: Backbone) -> bool:
    """Whether observations for one backbone are observations for the other: the same frames, and words encoded alike.

    A draft policy's backbone that does not take the main one's has inputs of its own, `PolicyInputs.for_draft`.
    """
    return type(one) is type(other) and one.observation_needs == other.observation_needs


def describe_backbone(backbone: Backbone) -> dict[str, Any]:
    """The plain values that `make_backbone` takes, JSON values; the kind is left out where it is `COMPACT`."""
    kind = next(name for name, known in BACKBONES.items() if type(backbone) is known)
    return backbone.to_json() if kind == COMPACT else {"kind": kind, **backbone.to_json()}
