"""In the place of an action head, of a policy whose language model names its actions."""

from dataclasses import dataclass
from typing import Any, NoReturn

import jax

from rsd_jax.array_types import Features, PyTree


@dataclass(frozen=True)
class ActionTokensConfig:
    """A policy without an action head: its actions are tokens of its language model (OpenVLA).

    Attributes:
        action_dim: A.
    """

    action_dim: int = 7


class ActionTokensHead:
    """No network: it has no parameters, and cannot act."""

    def init(self, key: jax.Array, features: Features) -> PyTree:
        """No parameters."""
        return {"params": {}}

    def apply(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuses.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "this policy has no action head: its actions are tokens of its language model. Decode them with "
            "rsd_jax.backbones.openvla.action_tokens"
        )
