"""The policy's training on rows drawn at random, ready for its first step."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

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
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning, PolicyConstants
from rsd_jax.training.objectives.on_rows import Constants, OnRows
from rsd_jax.training.row_sources import ResidentRows, RowOrder, Rows
from rsd_jax.training.train_state import TrainState, create_train_state
from rsd_jax.training.train_step import TrainStep, make_optimizer, make_stacked_train_step, make_train_step

INSTRUCTION = "pick up the black bowl on the stove and place it on the plate"


class PolicyTraining(NamedTuple):
    """What the loop would hold; `step` takes ``config.steps_per_dispatch`` steps a call."""

    config: TrainingConfig
    objective: BehaviourCloning
    rows: Rows
    source: ResidentRows
    constants: Constants
    state: TrainState
    step: TrainStep


def make_training(config: Any, num_rows: int) -> PolicyTraining:
    """The training that `config` (configs/policy.py) describes, its rows on the device, on all devices."""
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
    horizon = backbone.chunks * backbone.chunk_length
    rows = {
        "images": generator.integers(0, 256, (num_rows, 2, STORED_SIZE, STORED_SIZE, 3), np.uint8),
        "proprio": generator.normal(size=(num_rows, 8)).astype(np.float32),
        "instruction_ids": np.tile(np.asarray(table.given), (num_rows, 1)),
        "actions": generator.normal(size=(num_rows, horizon, 7)).astype(np.float32),
        "mask": np.ones((num_rows, horizon), bool),
    }
    optimizer = make_optimizer(training)
    state, shardings = create_train_state(objective, optimizer, training.ema_decay > 0, 0, mesh)
    source = ResidentRows(rows, RowOrder(num_rows, training.batch_size, 0), mesh, is_split=False)
    constants = Constants(source.resident, PolicyConstants(ProprioNormalizer(jnp.zeros(8), jnp.ones(8)), table))
    make = make_train_step if training.steps_per_dispatch == 1 else make_stacked_train_step
    step = make(OnRows(objective, source), optimizer, training, shardings, mesh)
    return PolicyTraining(training, objective, rows, source, constants, state, step)
