"""The networks of a policy together: what training draws and updates, and a checkpoint stores."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rsd_jax.array_types import PyTree
from rsd_jax.backbones.interface import Backbone
from rsd_jax.heads.action_heads import ActionHead, ActionHeadConfig, action_head
from rsd_jax.heads.main_head import MainHead, MainHeadConfig, draw_main_head

BACKBONE, HEAD, MAIN = "backbone", "regression_head", "main_head"
"""Names of the networks among the parameters."""


@dataclass(frozen=True)
class PolicyNetwork:
    """A backbone and the heads that were trained with it.

    Attributes:
        backbone: makes features.
        head: reads actions off them: the L1 teacher, or what stands in its place.
        main: names tokens, of a policy that was trained to (`TokenCloning`); None of others, whose main head learns
            when they are finished.
    """

    backbone: Backbone
    head: ActionHeadConfig
    main: MainHeadConfig | None = None

    @property
    def teacher(self) -> ActionHead:
        """The action head as a network."""
        return action_head(self.head)

    def init(self, key: jax.Array) -> PyTree:
        """Draws the parameters, whose leaves carry logical axis names; traceable, consumes `key`."""
        backbone_key, head_key, main_key = jax.random.split(key, 3)
        features = jnp.zeros((1, self.backbone.chunks * self.backbone.chunk_length, self.backbone.width), jnp.float32)
        params = {
            BACKBONE: self.backbone.init(backbone_key),
            HEAD: self.teacher.init(head_key, features)["params"],
        }
        if self.main is None:
            return params
        drawn = draw_main_head(MainHead(self.main), main_key, self.backbone.chunk_length, self.backbone.width)
        return {**params, MAIN: drawn}
