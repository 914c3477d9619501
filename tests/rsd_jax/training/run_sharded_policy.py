"""A policy split over four devices: trained for a step, evaluated, saved, and loaded again. And rows for them.

    python -m tests.rsd_jax.training.run_sharded_policy FOLDER

The last line of its output is JSON, see `main`.
"""

import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import meta

from rsd_jax.actions.conventions import LIBERO
from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.array_types import PyTree
from rsd_jax.backbones.cameras import KeypointCamera
from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.checkpoints.params_hash import hash_params
from rsd_jax.distributed import hosts
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.distributed.sharding_rules import state_shardings
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.policy_network import BACKBONE, HEAD, PolicyNetwork
from rsd_jax.stored_models import load_policy
from rsd_jax.stored_models.policy_facts import PolicyFacts
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning, PolicyConstants, policy_inputs
from rsd_jax.training.objectives.interface import Stage, Variables
from rsd_jax.training.stages import policy as policy_stage
from rsd_jax.training.train_loop import train
from tests.rsd_jax.training.row_sources.all_sources import compare_all

CAMERA = KeypointCamera(features=(4,), kernels=(3,), strides=(2,), keypoints=4)
NETWORK = PolicyNetwork(
    CompactBackbone(CAMERA, image_size=16, width=48, depth=1, heads=2, mlp_features=96), RegressionConfig()
)
PROPRIO = ProprioNormalizer(offset=jnp.zeros(8), scale=jnp.ones(8))
ACTION = ActionNormalizer(center=jnp.zeros(7), half_range=jnp.ones(7))
TEXT = "go to the light"


def make_rows(count: int = 6) -> dict[str, np.ndarray]:
    """Rows of the policy's stage, drawn at random."""
    generator = np.random.default_rng(0)
    return {
        "images": generator.integers(0, 256, (count, 2, 16, 16, 3), np.uint8),
        "proprio": generator.normal(size=(count, 8)).astype(np.float32),
        "instruction_ids": np.tile(NETWORK.backbone.encode_instruction(TEXT), (count, 1)),
        "actions": generator.uniform(-1, 1, (count, 8, 7)).astype(np.float32),
        "mask": np.ones((count, 8), bool),
        "foreseeable": np.ones((count, 8), bool),
    }


def whole_matrices(shapes: PyTree, shardings: PyTree) -> list[str]:
    """All arrays alive that are as large as a split matrix of the policy and whole on a device."""
    split = {
        shape.shape
        for shape, sharding in zip(jax.tree.leaves(shapes), jax.tree.leaves(shardings), strict=True)
        if len(shape.shape) > 1 and not sharding.is_fully_replicated
    }
    assert len(split) > 5
    return [str(array.shape) for array in jax.live_arrays() if array.shape in split and _is_whole(array)]


def _is_whole(array: jax.Array) -> bool:
    return any(shard.data.shape == array.shape for shard in array.addressable_shards)


def elsewhere(params: PyTree, shardings: PyTree) -> list[str]:
    """Parameters that do not lie as `shardings` say."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(shardings), strict=True)
    return [
        jax.tree_util.keystr(path)
        for (path, array), sharding in pairs
        if not array.sharding.is_equivalent_to(sharding, array.ndim)
    ]


def main(run_dir: Path) -> None:
    """Prints what a test looks at: where parameters were, and numbers of the whole and of the split policy."""
    for sizes in ({"fsdp": 2}, {"tensor": 2}):
        compare_all(run_dir, make_mesh(MeshConfig(data=2, **sizes)))
    mesh = make_mesh(MeshConfig(data=1, fsdp=2, tensor=2))
    boxed = jax.eval_shape(NETWORK.init, jax.random.key(0))
    shapes, shardings = meta.unbox(boxed), state_shardings(boxed, mesh)
    objective, rows = BehaviourCloning(NETWORK), make_rows()
    words = InstructionTable.of([TEXT], 2, "heldout", NETWORK.backbone.encode_instruction)
    evaluate = partial(policy_stage.evaluate_policy, objective, jax.jit(objective.predict), PROPRIO, words, rows)
    seen: dict[str, Any] = {}

    def evaluate_and_look(variables: Variables) -> dict[str, Any]:
        metrics = evaluate(variables)
        seen["elsewhere_in_evaluation"] = elsewhere(variables.params, shardings)
        seen["whole_in_evaluation"] = whole_matrices(shapes, shardings)
        seen["split"] = metrics
        return metrics

    facts = PolicyFacts(
        NETWORK,
        PROPRIO,
        ACTION,
        asdict(LIBERO),
        "abc",
        2,
        asdict(objective.augmentation),
        2,
        objective.compute_dtype,
        "all",
    )
    training_rows = {name: array for name, array in rows.items() if name != "foreseeable"}
    constants = PolicyConstants(PROPRIO, words)
    stage = Stage("policy", objective, constants, training_rows, evaluate_and_look, "heldout_l1", facts.to_json())
    config = TrainingConfig(steps=1, batch_size=4, learning_rate=1e-2, ema_decay=0.9)
    returned = train(stage, config, run_dir / "policy", mesh)
    seen["elsewhere_in_result"] = elsewhere(returned.params, shardings)

    del returned
    split = load_policy(run_dir, mesh)
    params = {BACKBONE: split.variables.backbone, HEAD: split.variables.head}
    seen["elsewhere_loaded"] = elsewhere(params, shardings)
    seen["whole_loaded"] = whole_matrices(shapes, shardings)
    seen["split_hash"] = split.params_hash
    seen["hash_of_split"] = hash_params(params)
    features = hosts.fetch(jax.jit(split.features)(split.variables, policy_inputs(rows)))

    whole = load_policy(run_dir)
    params = {BACKBONE: whole.variables.backbone, HEAD: whole.variables.head}
    seen["devices_of_whole"] = len({device for array in jax.tree.leaves(params) for device in array.devices()})
    seen["hash_of_whole"] = hash_params(params)
    seen["whole"] = evaluate(Variables(params, {}))
    expected = hosts.fetch(jax.jit(whole.features)(whole.variables, policy_inputs(rows)))
    seen["largest_difference_of_features"] = float(np.abs(features - expected).max())
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
