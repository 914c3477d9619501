"""A stage small enough to train in a second, with all that the loop handles: sharded layers, model state, frozen arrays."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rsd_jax.array_types import PyTree
from rsd_jax.partitioned_layers import Mlp
from rsd_jax.training.objectives.interface import LossOutput, Stage, Variables


@dataclass(frozen=True)
class ToyObjective:
    """Regression of a frozen linear map by a noisy two-layer network that counts its calls in `model_state`."""

    noise: float = 0.01

    def init(self, key: jax.Array) -> Variables:
        params = Mlp(16, 4, axes=("embed", "embed")).init(key, jnp.zeros((1, 4)))["params"]
        return Variables(params, {"calls": jnp.zeros((), jnp.int32)})

    def loss(self, variables: Variables, frozen: PyTree, batch: dict[str, jax.Array], key: jax.Array) -> LossOutput:
        inputs = batch["inputs"] + self.noise * jax.random.normal(key, batch["inputs"].shape)
        error = predict(variables, inputs) - batch["inputs"] @ frozen["target"]
        loss = jnp.mean(jnp.square(error))
        return LossOutput(loss, {"calls": variables.model_state["calls"] + 1}, {"error": jnp.abs(error).max()})


def predict(variables: Variables, inputs: jax.Array) -> jax.Array:
    """The toy network's output ``[B, 4]``."""
    return Mlp(16, 4).apply({"params": variables.params}, inputs)


def make_toy_stage(num_rows: int = 50, **changes: Any) -> Stage:
    """A stage on `num_rows` rows; `changes` replace fields of `Stage`."""
    generator = np.random.default_rng(0)
    target = generator.normal(size=(4, 4)).astype(np.float32)
    heldout = generator.normal(size=(20, 4)).astype(np.float32)

    def evaluate(variables: Variables) -> dict[str, Any]:
        error = np.asarray(predict(variables, jnp.asarray(heldout))) - heldout @ target
        return {"mse": float(np.mean(error**2)), "mse_by_output": np.mean(error**2, axis=0)}

    fields: dict[str, Any] = {
        "name": "toy",
        "objective": ToyObjective(),
        "frozen": {"target": target},
        "rows": {"inputs": generator.normal(size=(num_rows, 4)).astype(np.float32)},
        "evaluate": evaluate,
        "best_metric": "mse",
        "metadata": {"tokenizer_hash": "abc", "width": 16},
    }
    return Stage(**{**fields, **changes})
