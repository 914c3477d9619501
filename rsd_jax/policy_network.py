"""The networks of a policy together: what training draws and updates, and a checkpoint stores."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rsd_jax.array_types import PyTree
from rsd_jax.backbones.interface import Backbone
from rsd_jax.heads.regression_head import RegressionConfig, RegressionHead

BACKBONE, HEAD = "backbone", "regression_head"
"""Names of the two networks among the parameters."""


@dataclass(frozen=True)
class PolicyNetwork:
    """A backbone and the L1 regression head that reads actions off its features."""

    backbone: Backbone
    head: RegressionConfig

    @property
    def teacher(self) -> RegressionHead:
        """The regression head as a network."""
        return RegressionHead(self.head)

    def init(self, key: jax.Array) -> PyTree:
        """Draws the parameters, whose leaves carry logical axis names; traceable, consumes `key`."""
        backbone_key, head_key = jax.random.split(key)
        features = jnp.zeros((1, self.backbone.chunks * self.backbone.chunk_length, self.backbone.width), jnp.float32)
        return {
            BACKBONE: self.backbone.init(backbone_key),
            HEAD: self.teacher.init(head_key, features)["params"],
        }
