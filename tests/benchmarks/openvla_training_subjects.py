"""What openvla_training times: a step of fine-tuning, or of a head on features, and arrays to run it on."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import meta
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding

from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.backbones.openvla.adapted_backbone import with_adapters
from rsd_jax.backbones.openvla.augmentation import OftAugmentation
from rsd_jax.backbones.openvla.backbone import IMAGE_SIZE, OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import OPENVLA_7B, TINY
from rsd_jax.backbones.openvla.low_rank import LowRankConfig
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.distributed.sharding_rules import batch_sharding, state_shardings
from rsd_jax.heads.draft_model import DraftConfig, DraftModel
from rsd_jax.heads.main_head import MainHead, MainHeadConfig
from rsd_jax.heads.residual_regression_head import ResidualRegressionConfig, ResidualRegressionHead
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.stored_models import load_tokenizer
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.finetune_memory import StepMemory, positions, step_memory
from rsd_jax.training.objectives.digit_prediction import DigitPrediction, DraftTask, FrozenPolicy, MainTask
from rsd_jax.training.objectives.fine_tuning import FineTuning, FineTuningConstants, divided
from rsd_jax.training.objectives.interface import Objective, Variables
from rsd_jax.training.train_state import TrainState, abstract_train_state
from rsd_jax.training.train_step import TrainStep, make_optimizer, make_train_step
from tests.benchmarks.prefill_subjects import random_inputs

SHAPES = {"7b": (OPENVLA_7B, "bfloat16"), "tiny": (replace(TINY, siglip=replace(TINY.siglip, heads=4)), "float32")}
"""Sizes, and type of activations; the tiny one's heads can be shared by two devices."""


@dataclass(frozen=True)
class Subject:
    """A step.

    Attributes:
        name: of what it trains. rows: of its batch. positions: tokens of a row.
        compute_dtype: of its products. memory: by estimate; None where there is none.
        step: takes `state`, `constants` and `batch`, of which these are shapes and shardings.
        gradient: of the loss by `params`, the constants, the batch and a key, keeping all activations.
    """

    name: str
    rows: int
    positions: int
    compute_dtype: str
    memory: StepMemory | None
    step: TrainStep
    gradient: Callable[..., Any]
    state: TrainState
    constants: Any
    batch: Any

    @property
    def params(self) -> Any:
        return self.state.params

    def made(self) -> tuple[TrainState, Any, Any]:
        """Arrays like these on their devices: parameters at random, state of the optimizer of zeros."""
        moments = jax.tree.map(lambda leaf: made(leaf, is_zero=True), self.state.opt_state)
        params = jax.tree.map(made, self.state.params)
        key = jax.device_put(jax.random.key(0), self.state.key.sharding)
        step = jax.device_put(np.int32(0), self.state.step.sharding)
        state = replace(self.state, step=step, params=params, opt_state=moments, key=key)
        return state, jax.tree.map(made, self.constants), jax.tree.map(made, self.batch)


def made(leaf: jax.ShapeDtypeStruct | jax.Array, is_zero: bool = False) -> jax.Array:
    """One array after the other: a single program of all would take long to compile."""
    if isinstance(leaf, jax.Array):
        return leaf
    return _maker(leaf.shape, leaf.dtype, leaf.sharding, is_zero)(jax.random.key(0))


@cache
def _maker(shape: tuple[int, ...], dtype: Any, sharding: Sharding, is_zero: bool) -> Callable[[jax.Array], jax.Array]:
    def make(key: jax.Array) -> jax.Array:
        if is_zero or dtype == jnp.int32:
            return jnp.zeros(shape, dtype)
        if jnp.issubdtype(dtype, jnp.floating):
            return 0.02 * jax.random.normal(key, shape, dtype)
        return jax.random.bits(key, shape, jnp.uint8).astype(dtype)

    return jax.jit(make, out_shardings=sharding)


def fine_tuning(options: argparse.Namespace, mesh: Mesh) -> Subject:
    """A step of adapters or of all parameters, at an equal number of rows for every part of the batch."""
    sizes, dtype = SHAPES[options.shape]
    backbone = OpenVlaBackbone(sizes, compute_dtype=dtype, kept_activations=options.kept)
    if options.way == "lora":
        backbone = with_adapters(backbone, LowRankConfig(rank=options.rank, dtype=options.master_dtype))
    head = ResidualRegressionConfig(backbone.action_dim, sizes.language.width)
    objective = FineTuning(
        PolicyNetwork(backbone, head), OftAugmentation(), dtype, master_dtype=options.master_dtype, mesh=mesh
    )
    keeps_all = replace(objective, network=PolicyNetwork(replace(backbone, kept_activations="all"), head))
    rows = options.batch * mesh.shape["data"] * mesh.shape["fsdp"]
    whole = jax.eval_shape(objective.network.init, jax.random.key(0))
    _, frozen = divided(backbone, whole)
    prompt = random_inputs(backbone, 1).prompt_ids
    here = NamedSharding(mesh, PartitionSpec())
    constants = FineTuningConstants(
        *jax.device_put(
            (ProprioNormalizer(jnp.zeros(8), jnp.ones(8)), InstructionTable(prompt, prompt[:, None])), here
        ),
        _like(frozen, state_shardings(frozen, mesh), dtype),
    )
    horizon = backbone.chunk_length
    shapes = {
        "images": ((rows, len(backbone.cameras), IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8),
        "proprio": ((rows, backbone.state_size), np.float32),
        "actions": ((rows, horizon, backbone.action_dim), np.float32),
        "mask": ((rows, horizon), np.bool_),
    }
    batch: dict[str, Any] = _batch(shapes, mesh)
    batch["instruction_ids"] = jax.device_put(np.tile(np.asarray(prompt), (rows, 1)), batch_sharding(mesh))
    training = TrainingConfig(steps=1000, batch_size=rows, learning_rate=1e-5)
    memory = step_memory(objective, make_optimizer(training, options.moments_dtype), mesh, rows)
    given = (options.way, positions(backbone), dtype, memory, objective, keeps_all, constants, batch)
    return _subject(*given, training, options, mesh)


def heads(options: argparse.Namespace, mesh: Mesh) -> list[Subject]:
    """A step of the draft model and one of the main head, of the sizes of their configurations, in float32."""
    sizes, dtype = SHAPES[options.shape]
    backbone = OpenVlaBackbone(sizes)
    tokenizer = load_tokenizer(PRETRAINED)
    num_layers, latent_dim = tokenizer.table.offset.shape
    code = {"num_layers": num_layers, "latent_dim": latent_dim, "num_levels": tokenizer.table.num_levels}
    teacher = ResidualRegressionHead(ResidualRegressionConfig(backbone.action_dim, sizes.language.width))
    features = jax.ShapeDtypeStruct((1, backbone.chunk_length, backbone.width), jnp.float32)
    drawn = jax.eval_shape(teacher.init, jax.random.key(0), features)["params"]
    rows = options.batch * mesh.shape["data"] * mesh.shape["fsdp"]
    here = NamedSharding(mesh, PartitionSpec())
    constants = FrozenPolicy(
        *jax.device_put((tokenizer, tokenizer.informative), here),
        _like(drawn, state_shardings(drawn, mesh), "float32"),
        jax.device_put(jnp.ones(backbone.width), here),
    )
    shapes = {
        "features": ((rows, backbone.chunk_length, backbone.width), jnp.dtype(dtype)),
        "actions": ((rows, backbone.chunk_length, backbone.action_dim), np.float32),
    }
    batch = _batch(shapes, mesh)
    training = TrainingConfig(steps=1000, batch_size=rows, learning_rate=1e-3)
    tasks = {
        "draft": DraftTask(DraftModel(DraftConfig(**code, draft_layers=7, width=128, depth=1))),
        "main_head": MainTask(MainHead(MainHeadConfig(**code, width=128, depth=2, column_features=16))),
    }
    made_of = (backbone.chunk_length, backbone.width)
    objectives = {name: DigitPrediction(task, teacher, *made_of) for name, task in tasks.items()}
    return [
        _subject(name, backbone.slots, "float32", None, each, each, constants, batch, training, options, mesh)
        for name, each in objectives.items()
    ]


def _subject(
    name: str,
    tokens: int,
    dtype: str,
    memory: StepMemory | None,
    objective: Objective,
    keeps_all: Objective,
    constants: Any,
    batch: Any,
    training: TrainingConfig,
    options: argparse.Namespace,
    mesh: Mesh,
) -> Subject:
    optimizer = make_optimizer(training, options.moments_dtype)
    state, shardings = abstract_train_state(objective, optimizer, False, mesh)

    def gradient(params: Any, constants: Any, batch: Any, key: jax.Array) -> Any:
        return jax.grad(lambda params: keeps_all.loss(Variables(params, {}), constants, batch, key).loss)(params)

    step = make_train_step(objective, optimizer, training, shardings, mesh)
    rows = training.batch_size
    return Subject(name, rows, tokens, dtype, memory, step, gradient, state, constants, batch)


def _batch(shapes: dict[str, tuple[tuple[int, ...], Any]], mesh: Mesh) -> dict[str, Any]:
    sharding = batch_sharding(mesh)
    return {
        name: jax.ShapeDtypeStruct(shape, jnp.dtype(dtype), sharding=sharding)
        for name, (shape, dtype) in shapes.items()
    }


def _like(boxed: Any, shardings: Any, dtype: str) -> Any:
    """Shapes in `dtype`, where `shardings` say."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, jnp.dtype(dtype), sharding=sharding),
        meta.unbox(boxed),
        shardings,
    )
