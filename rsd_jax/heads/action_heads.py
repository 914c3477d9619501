"""The heads that read actions off a backbone's features, by name."""

from collections.abc import Mapping
from typing import Any

from rsd_jax.heads.action_tokens_head import ActionTokensConfig, ActionTokensHead
from rsd_jax.heads.regression_head import RegressionConfig, RegressionHead
from rsd_jax.heads.residual_regression_head import ResidualRegressionConfig, ResidualRegressionHead
from rsd_jax.heads.two_step_head import TwoStepConfig, TwoStepHead
from rsd_jax.registry import Registry

ActionHeadConfig = RegressionConfig | ResidualRegressionConfig | TwoStepConfig | ActionTokensConfig
ActionHead = RegressionHead | ResidualRegressionHead | TwoStepHead | ActionTokensHead

_KIND = "kind"
_HEADS = Registry(
    "action head",
    _KIND,
    {
        "regression": RegressionConfig,
        "residual_regression": ResidualRegressionConfig,
        "two_step": TwoStepConfig,
        "action_tokens": ActionTokensConfig,
    },
)


def action_head(config: ActionHeadConfig) -> ActionHead:
    """The head of that size as a network: features ``[B, S, F]`` to normalised actions ``[B, S, A]``."""
    match config:
        case RegressionConfig():
            return RegressionHead(config)
        case ResidualRegressionConfig():
            return ResidualRegressionHead(config)
        case TwoStepConfig():
            return TwoStepHead(config)
        case ActionTokensConfig():
            return ActionTokensHead()


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
