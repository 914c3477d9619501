"""A stage that trains in a second, with all that the loop handles: sharded layers, model state, frozen arrays."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from rsd_jax.array_types import PyTree
from rsd_jax.distributed import hosts
from rsd_jax.training.objectives.interface import LossOutput, Stage, Variables


@dataclass(frozen=True)
class ToyObjective:
    """Regression of a frozen linear map by a noisy two-layer network that counts its calls in `model_state`.

    Only a few numbers are drawn: a larger draw takes XLA longer to compile than all the rest.
    """

    noise: float = 0.01

    def init(self, key: jax.Array) -> Variables:
        frequency = 1.0 + jax.random.uniform(key, (4, 1))
        up, down = 0.5 * jnp.cos(frequency * jnp.arange(128.0).reshape(2, 4, 16))
        params = {
            "up": nn.LogicallyPartitioned(up, ("embed", "mlp")),
            "down": nn.LogicallyPartitioned(down.T, ("mlp", "embed")),
            "bias": nn.LogicallyPartitioned(jnp.zeros(4), ("embed",)),
        }
        return Variables(params, {"calls": jnp.zeros((), jnp.int32)})

    def loss(self, variables: Variables, frozen: PyTree, batch: dict[str, jax.Array], key: jax.Array) -> LossOutput:
        inputs = batch["inputs"] + self.noise * jax.random.uniform(key, (4,))
        error = predict(variables, inputs) - batch["inputs"] @ frozen["target"]
        loss = jnp.mean(jnp.square(error))
        return LossOutput(loss, {"calls": variables.model_state["calls"] + 1}, {"error": jnp.abs(error).max()})


@jax.jit
def predict(variables: Variables, inputs: jax.Array) -> jax.Array:
    """The toy network's output ``[B, 4]``."""
    params = variables.params
    return jax.nn.relu(inputs @ params["up"]) @ params["down"] + params["bias"]


def make_toy_stage(num_rows: int = 50, **changes: Any) -> Stage:
    """A stage on `num_rows` rows; `changes` replace fields of `Stage`."""
    generator = np.random.default_rng(0)
    target = generator.normal(size=(4, 4)).astype(np.float32)
    heldout = generator.normal(size=(20, 4)).astype(np.float32)

    def evaluate(variables: Variables) -> dict[str, Any]:
        error = hosts.fetch(predict(variables, jnp.asarray(heldout))) - heldout @ target
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
