"""The programs of training and acting, lowered for devices that are not there. Nothing is trained."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec, SingleDeviceSharding
from jax.stages import Lowered
from numpy.typing import NDArray

from eval_bridge.policies.compiled_policy import CompiledPolicy
from rsd_jax.array_types import PyTree
from rsd_jax.backbones.choice import make_backbone
from rsd_jax.demos.demo import ACTION_SIZE, PROPRIO_SIZE
from rsd_jax.demos.frames import STORED_SIZE
from rsd_jax.distributed.ahead_of_time import on_devices
from rsd_jax.distributed.mesh import make_mesh
from rsd_jax.distributed.sharding_rules import batch_sharding
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.stored_models import load_tokenizer
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning, policy_inputs
from rsd_jax.training.objectives.interface import Stage
from rsd_jax.training.policy_rows import PolicyRows
from rsd_jax.training.run_settings import RunSettings, read_run_settings
from rsd_jax.training.stages.action_learning import EVALUATION_BATCH
from rsd_jax.training.stages.policy import PolicySettings, policy_stage
from rsd_jax.training.train_state import abstract_train_state
from rsd_jax.training.train_step import make_optimizer, make_train_step

DECODERS = ("l1_regression", "autoregressive", "speculative_greedy", "fixed_point")
"""Whose chunk is compiled: those that the shipped checkpoint has all stages of."""

_INSTRUCTION = "pick up the black bowl on the stove and place it on the plate"
_ROWS = 2


class AheadProgram(NamedTuple):
    """A program by name: ``policy/train_step``, ``chunk/fixed_point``."""

    name: str
    lowered: Lowered


def policy_programs(name: str, values: Mapping[str, Any], devices: Sequence[jax.Device]) -> Iterator[AheadProgram]:
    """The train step on all `devices`, and the evaluation step, of a policy's configuration.

    Args:
        name: of the configuration.
        values: as of ``configs/policy.py``.
        devices: of a topology, arranged as the configuration says.

    Raises:
        ValueError: the configuration is not a policy's, or does not fit so many devices.
    """
    settings = read_run_settings(values)
    stage, mesh = _policy_stage(settings), make_mesh(settings.mesh, devices)
    optimizer = make_optimizer(settings.training)
    state, shardings = abstract_train_state(stage.objective, optimizer, settings.training.ema_decay > 0, mesh)
    step = make_train_step(stage.objective, optimizer, settings.training, shardings, mesh)
    whole = NamedSharding(mesh, PartitionSpec())
    batch = _rows_on_devices(stage, settings.training.batch_size, batch_sharding(mesh))
    yield AheadProgram(f"{name}/train_step", step.lower(state, on_devices(stage.frozen, whole), batch))
    rows = _rows_on_devices(stage, EVALUATION_BATCH, whole)
    assert isinstance(stage.objective, BehaviourCloning)
    predict = jax.jit(stage.objective.predict)
    lowered = predict.lower(state.evaluated.params, on_devices(stage.frozen.proprio, whole), policy_inputs(rows))
    yield AheadProgram(f"{name}/evaluation_step", lowered)


def chunk_programs(devices: Sequence[jax.Device]) -> Iterator[AheadProgram]:
    """The whole decoded chunk of one row, from frames to actions, of the shipped checkpoint on one of `devices`."""
    for decoder in DECODERS:
        policy = CompiledPolicy.load(PRETRAINED, decoder)
        yield AheadProgram(f"chunk/{decoder}", policy.lower(SingleDeviceSharding(devices[0])))


def _policy_stage(settings: RunSettings) -> Stage:
    """The stage on rows of zeros."""
    model = settings.model
    if not isinstance(model, PolicySettings):
        raise ValueError(f"stage {settings.stage!r} is not a policy's; give configs/policy.py or a variant of it")
    tokenizer, backbone = load_tokenizer(PRETRAINED), make_backbone(**model.backbone)
    network = model.learning.network(backbone, model.head, tokenizer)
    horizon = backbone.chunks * backbone.chunk_length
    rows: dict[str, NDArray[Any]] = {
        "images": np.zeros((_ROWS, 2, STORED_SIZE, STORED_SIZE, 3), np.uint8),
        "proprio": np.zeros((_ROWS, PROPRIO_SIZE), np.float32),
        "instruction_ids": np.tile(backbone.encode_instruction(_INSTRUCTION), (_ROWS, 1)),
        "actions": np.zeros((_ROWS, horizon, ACTION_SIZE), np.float32),
        "mask": np.ones((_ROWS, horizon), bool),
        "foreseeable": np.ones((_ROWS, horizon), bool),
    }
    return policy_stage(model, network, tokenizer, PolicyRows(rows, rows, digest=""), [_INSTRUCTION])


def _rows_on_devices(stage: Stage, count: int, sharding: NamedSharding) -> PyTree:
    return {
        name: jax.ShapeDtypeStruct((count, *array.shape[1:]), array.dtype, sharding=sharding)
        for name, array in stage.rows.items()
    }
