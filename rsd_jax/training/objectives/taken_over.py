"""The objective of a stage that has nothing to learn: its parameters are there already."""

from typing import Any

import jax
import jax.numpy as jnp
from flax.core import meta

from rsd_jax.array_types import PyTree
from rsd_jax.training.objectives.interface import LossOutput, Objective, Variables


class TakenOver:
    """Starts from given parameters, and changes none of them (an `Objective`).

    For a head that was trained together with its backbone, or a tokenizer that is kept: one step writes it down as
    the stage of its own that everything behind it reads.
    """

    def __init__(self, objective: Objective, params: PyTree, model_state: PyTree = None) -> None:
        """Notes them.

        Args:
            objective: of which the parameters are; it names their axes.
            params: plain arrays.
            model_state: see `Variables`; by default what the objective draws.
        """
        self._objective, self._params, self._model_state = objective, params, model_state

    def init(self, key: jax.Array) -> Variables:
        """The given parameters; draws nothing that stays."""
        drawn = self._objective.init(key)
        model_state = drawn.model_state if self._model_state is None else self._model_state
        return Variables(meta.replace_boxed(drawn.params, self._params), model_state)

    def loss(self, variables: Variables, frozen: PyTree, batch: Any, key: jax.Array) -> LossOutput:
        """Zero, whatever the parameters are."""
        return LossOutput(jnp.zeros(()), variables.model_state, {})
