"""The heads that read actions off a backbone's features, by name."""

from collections.abc import Mapping
from typing import Any

from rsd_jax.heads.regression_head import RegressionConfig, RegressionHead
from rsd_jax.heads.two_step_head import TwoStepConfig, TwoStepHead
from rsd_jax.registry import Registry

ActionHeadConfig = RegressionConfig | TwoStepConfig
ActionHead = RegressionHead | TwoStepHead

_KIND = "kind"
_HEADS = Registry("action head", _KIND, {"regression": RegressionConfig, "two_step": TwoStepConfig})


def action_head(config: ActionHeadConfig) -> ActionHead:
    """The head of that size as a network: features ``[B, S, F]`` to normalised actions ``[B, S, A]``."""
    return RegressionHead(config) if isinstance(config, RegressionConfig) else TwoStepHead(config)


def describe_action_head(config: ActionHeadConfig) -> dict[str, Any]:
    """Kind and size as JSON values; the kind of a regression head is left out, as it was when there was no other."""
    described = _HEADS.describe(config)
    return {key: value for key, value in described.items() if (key, value) != (_KIND, "regression")}


def make_action_head(described: Mapping[str, Any]) -> ActionHeadConfig:
    """Inverse of `describe_action_head`.

    Raises:
        ValueError: nothing has this kind, or it does not have these fields.
    """
    sizes = {key: value for key, value in described.items() if key != _KIND}
    config: ActionHeadConfig = _HEADS.make(described.get(_KIND, "regression"), sizes)
    return config
