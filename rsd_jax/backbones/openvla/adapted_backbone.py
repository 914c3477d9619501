"""OpenVLA while low-rank adapters are trained: the network that inference runs, and what they add to its layers."""

from dataclasses import dataclass, field
from typing import Any

import jax

from rsd_jax.array_types import PyTree
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.low_rank import LowRankConfig, adapted, draw_adapters

BASE, ADAPTERS = "base", "adapters"
"""Among the parameters: those of an `OpenVlaBackbone`, and what is added."""


@dataclass(frozen=True)
class AdaptedOpenVla(OpenVlaBackbone):
    """`OpenVlaBackbone` of parameters ``{BASE: ..., ADAPTERS: ...}``, which are not merged.

    Attributes:
        low_rank: which layers have adapters.
    """

    low_rank: LowRankConfig = field(default_factory=LowRankConfig)

    def init(self, key: jax.Array) -> PyTree:
        """Draws both; adapters change nothing yet."""
        base_key, adapter_key = jax.random.split(key)
        base = super().init(base_key)
        return {BASE: base, ADAPTERS: draw_adapters(self.low_rank, base, adapter_key)}

    def apply(self, method: str, params: PyTree, *inputs: Any, compute_dtype: str | None = None, **more: Any) -> Any:
        """See `OpenVlaBackbone.apply`."""
        with adapted(self.low_rank, params[ADAPTERS]):
            return super().apply(method, params[BASE], *inputs, compute_dtype=compute_dtype, **more)


def with_adapters(backbone: OpenVlaBackbone, low_rank: LowRankConfig) -> AdaptedOpenVla:
    """`backbone` with adapters beside its layers."""
    fields = {name: getattr(backbone, name) for name in OpenVlaBackbone.__dataclass_fields__}
    return AdaptedOpenVla(**fields, low_rank=low_rank)
