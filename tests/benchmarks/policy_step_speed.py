"""How fast the policy trains, beside what the device's matrix units could do.

    python -m tests.benchmarks.policy_step_speed --config configs/policy.py --steps 200

Rows are synthetic and lie on the device, as in a real run; augmentation, optimizer and average are included.
Operations are those of matrix products and convolutions; the matrix rate is that of a large bfloat16 product,
timed in the same run. A last JSON line holds everything.
"""

import argparse
import json
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from launch.config_flags import load_config
from rsd_jax.distributed.operation_count import count_operations
from rsd_jax.training.objectives.behaviour_cloning import policy_inputs
from rsd_jax.training.row_sources import Dispatch
from tests.benchmarks.synthetic_policy_training import make_training

NUM_ROWS = 20_000


def matrix_rate(size: int = 8192, repeats: int = 50) -> float:
    """Operations a second of a bfloat16 matrix product of `size`."""
    left, right = (jax.random.normal(jax.random.key(i), (size, size), jnp.bfloat16) for i in range(2))

    @jax.jit
    def products(left: jax.Array, right: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, repeats, lambda _, x: (x @ right) * jnp.bfloat16(0.01), left)

    jax.block_until_ready(products(left, right))
    began = time.perf_counter()
    jax.block_until_ready(products(left, right))
    return 2 * size**3 * repeats / (time.perf_counter() - began)


def measure(config: Any, num_steps: int) -> dict[str, float]:
    """Seconds a step, samples a second and operations of the training that `config` (configs/policy.py) describes."""
    made = make_training(config, NUM_ROWS)
    state, stride = made.state, made.config.steps_per_dispatch
    parameters = sum(array.size for array in jax.tree.leaves(state.params))
    plan = [Dispatch(start, stride) for start in range(0, num_steps + stride, stride)]
    began = time.perf_counter()
    for number, (_, fed) in enumerate(zip(plan, made.source.feed(plan), strict=True)):
        state, metrics = made.step(state, made.constants, fed)
        if number == 0:
            jax.block_until_ready(state)
            first_seconds, began = time.perf_counter() - began, time.perf_counter()
    loss = np.asarray(metrics["loss"])
    seconds = (time.perf_counter() - began) / ((len(plan) - 1) * stride)
    assert np.isfinite(loss).all()
    inputs = policy_inputs({name: jnp.asarray(array[:1]) for name, array in made.rows.items()})
    proprio = made.constants.frozen.proprio
    forward = count_operations(jax.make_jaxpr(made.objective.predict)(state.params, proprio, inputs).jaxpr)
    # The backward pass has two products for each of the forward pass.
    operations = 3 * forward * made.config.batch_size
    return {
        "parameters": parameters,
        "batch_size": made.config.batch_size,
        "milliseconds_per_step": 1e3 * seconds,
        "samples_per_second": made.config.batch_size / seconds,
        "operations_per_step": operations,
        "operations_per_second": operations / seconds,
        "first_dispatch_seconds": first_seconds,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.policy_step_speed", description=__doc__)
    parser.add_argument("--config", default="configs/policy.py", metavar="FILE[:variant]")
    parser.add_argument("--steps", type=int, default=200, help="steps that are timed")
    options = parser.parse_args()
    result = measure(load_config(options.config)[1], options.steps)
    rate = matrix_rate()
    result |= {"matrix_rate": rate, "share_of_matrix_rate": result["operations_per_second"] / rate}
    for name, value in result.items():
        print(f"{name:<26}{value:.4g}")
    print(json.dumps({"device": jax.devices()[0].device_kind, **result}))


if __name__ == "__main__":
    main()
