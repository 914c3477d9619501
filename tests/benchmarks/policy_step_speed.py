"""How fast the policy trains, beside what the device's matrix units could do.

    python -m tests.benchmarks.policy_step_speed --config configs/policy.py --steps 200

Rows are synthetic and lie on the device, as in a real run; augmentation, optimizer and average are included.
Operations are those of matrix products and convolutions; the matrix rate is that of a large bfloat16 product,
timed in the same run. A last JSON line holds everything.
"""

import argparse
import json
import math
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from launch.config_flags import load_config
from rsd_jax.backbones.choice import make_backbone
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.demos.frames import STORED_SIZE
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.registry import to_dataclass
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning, PolicyConstants, policy_inputs
from rsd_jax.training.objectives.on_rows import Constants, OnRows
from rsd_jax.training.row_sources import Dispatch, ResidentRows, RowOrder
from rsd_jax.training.train_state import create_train_state
from rsd_jax.training.train_step import make_optimizer, make_stacked_train_step, make_train_step

NUM_ROWS = 20_000
INSTRUCTION = "pick up the black bowl on the stove and place it on the plate"


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


def count_operations(jaxpr: Any) -> int:
    """Multiplications and additions of all matrix products and convolutions in a traced function.

    A scan's body counts as often as it runs; that of a loop whose number of passes the trace does not tell, once.
    """
    total = 0
    for equation in jaxpr.eqns:
        output = equation.outvars[0].aval
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            total += 2 * output.size * math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
        elif equation.primitive.name == "conv_general_dilated":
            kernel, dimensions = equation.invars[1].aval, equation.params["dimension_numbers"]
            total += 2 * output.size * kernel.size // kernel.shape[dimensions.rhs_spec[0]]
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                passes = equation.params["length"] if equation.primitive.name == "scan" else 1
                total += passes * count_operations(inner)
    return total


def measure(config: Any, num_steps: int) -> dict[str, float]:
    """Seconds a step, samples a second and operations of the training that `config` (configs/policy.py) describes."""
    training = to_dataclass(TrainingConfig, config.training, seed=0)
    backbone = make_backbone(**config.model.backbone)
    objective = BehaviourCloning(
        PolicyNetwork(backbone, to_dataclass(RegressionConfig, config.model.head)),
        to_dataclass(AugmentationConfig, config.model.augmentation),
        config.model.compute_dtype,
    )
    mesh = make_mesh(to_dataclass(MeshConfig, config.mesh))
    generator = np.random.default_rng(0)
    table = InstructionTable.of([INSTRUCTION], 8, "training", backbone.encode_instruction)
    rows = {
        "images": generator.integers(0, 256, (NUM_ROWS, 2, STORED_SIZE, STORED_SIZE, 3), np.uint8),
        "proprio": generator.normal(size=(NUM_ROWS, 8)).astype(np.float32),
        "instruction_ids": np.tile(np.asarray(table.given), (NUM_ROWS, 1)),
        "actions": generator.normal(size=(NUM_ROWS, 8, 7)).astype(np.float32),
        "mask": np.ones((NUM_ROWS, 8), bool),
    }
    optimizer = make_optimizer(training)
    state, shardings = create_train_state(objective, optimizer, training.ema_decay > 0, 0, mesh)
    parameters = sum(array.size for array in jax.tree.leaves(state.params))
    source = ResidentRows(rows, RowOrder(NUM_ROWS, training.batch_size, 0), mesh, is_split=False)
    constants = Constants(source.resident, PolicyConstants(ProprioNormalizer(jnp.zeros(8), jnp.ones(8)), table))
    on_rows, stride = OnRows(objective, source), training.steps_per_dispatch
    make = make_train_step if stride == 1 else make_stacked_train_step
    step = make(on_rows, optimizer, training, shardings, mesh)
    plan = [Dispatch(start, stride) for start in range(0, num_steps + stride, stride)]
    began = time.perf_counter()
    for number, (_, fed) in enumerate(zip(plan, source.feed(plan), strict=True)):
        state, metrics = step(state, constants, fed)
        if number == 0:
            jax.block_until_ready(state)
            first_seconds, began = time.perf_counter() - began, time.perf_counter()
    loss = np.asarray(metrics["loss"])
    seconds = (time.perf_counter() - began) / ((len(plan) - 1) * stride)
    assert np.isfinite(loss).all()
    inputs = policy_inputs({name: jnp.asarray(array[:1]) for name, array in rows.items()})
    forward = count_operations(jax.make_jaxpr(objective.predict)(state.params, constants.frozen.proprio, inputs).jaxpr)
    # The backward pass has two products for each of the forward pass.
    operations = 3 * forward * training.batch_size
    return {
        "parameters": parameters,
        "batch_size": training.batch_size,
        "milliseconds_per_step": 1e3 * seconds,
        "samples_per_second": training.batch_size / seconds,
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
