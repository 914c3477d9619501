"""The trainings that are planned for many devices, and what each costs."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import meta
from numpy.typing import NDArray

from rsd_jax.array_types import PyTree
from rsd_jax.backbones.choice import make_backbone
from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import OPENVLA_7B, OpenVlaSizes
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.demos.demo import ACTION_SIZE
from rsd_jax.distributed.cost_model.tracing import trace_cost
from rsd_jax.distributed.cost_model.training_cost import FLOAT32, Stack, TrainingCost
from rsd_jax.heads.blank_inputs import blank_inputs
from rsd_jax.heads.main_head import MainHead, MainHeadConfig
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.policy_network import BACKBONE, PolicyNetwork
from rsd_jax.registry import to_dataclass
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning, PolicyConstants, policy_inputs
from rsd_jax.training.objectives.digit_prediction import MainTask
from rsd_jax.training.objectives.interface import Variables

POLICY, FULL_7B, HEADS_7B = "policy", "openvla_7b", "openvla_7b_heads"

BATCH_7B = 64
"""Rows of a step of the 7B's full fine-tuning, which no configuration has."""

ROWS_7B = 8
"""Rows of a device of it, where they fit."""

_INSTRUCTION = "pick up the black bowl on the stove and place it on the plate"
_BFLOAT16 = 2


class Training(NamedTuple):
    """One that is planned.

    Attributes:
        name: `POLICY`, `FULL_7B` or `HEADS_7B`.
        cost: of it.
        batch: rows of a step, as its configuration has them.
        rows: of a device, where the batch grows with the devices.
    """

    name: str
    cost: TrainingCost
    batch: int
    rows: int


def trainings_of(policy: Mapping[str, Any], main_head: Mapping[str, Any]) -> list[Training]:
    """The compact policy, OpenVLA's 7B as a whole, and the main head on its stored features.

    Args:
        policy: values as of ``configs/policy.py``. main_head: as of ``configs/main_head.py``.

    Raises:
        ValueError: values that do not fit together.
    """
    batch, of_heads = policy["training"]["batch_size"], main_head["training"]["batch_size"]
    sizes = {name: main_head["model"][name] for name in ("width", "depth", "column_features", "mode_locked")}
    return [
        Training(POLICY, policy_cost(policy), batch, batch),
        Training(FULL_7B, openvla_cost(OPENVLA_7B), BATCH_7B, ROWS_7B),
        Training(HEADS_7B, heads_cost(OPENVLA_7B, MainHeadConfig(**sizes)), of_heads, of_heads),
    ]


def policy_cost(values: Mapping[str, Any]) -> TrainingCost:
    """The cost of a policy's training, from values as of ``configs/policy.py``.

    Raises:
        ValueError: values that do not fit together.
    """
    model = values["model"]
    backbone = make_backbone(**model["backbone"])
    if not isinstance(backbone, CompactBackbone):
        raise ValueError(f"model.backbone is {model['backbone']}; a policy to plan has the compact one")
    objective = BehaviourCloning(
        PolicyNetwork(backbone, to_dataclass(RegressionConfig, model["head"])),
        to_dataclass(AugmentationConfig, model["augmentation"]),
        model["compute_dtype"],
    )
    has_average = values["training"]["ema_decay"] > 0
    return _cloning_cost(objective, backbone.encode_instruction, has_average)


def openvla_cost(sizes: OpenVlaSizes) -> TrainingCost:
    """The cost of training all of OpenVLA's parameters by behaviour cloning, an average of them kept."""
    backbone = OpenVlaBackbone(sizes)

    def encode(text: str) -> NDArray[np.int32]:  # which words they are changes no cost
        return np.ones(backbone.prompt_length, np.int32)

    network = PolicyNetwork(backbone, RegressionConfig(ACTION_SIZE))
    objective = BehaviourCloning(network, AugmentationConfig(), backbone.compute_dtype)
    return _cloning_cost(objective, encode, has_average=True)


def heads_cost(sizes: OpenVlaSizes, config: MainHeadConfig) -> TrainingCost:
    """The cost of training a main head on features that are stored, as `launch.extract_features` makes them."""
    backbone = OpenVlaBackbone(sizes)
    task = MainTask(MainHead(config))
    features, table, tokens = blank_inputs(config, backbone.chunk_length, backbone.width)

    def loss(rows: int) -> Callable[[PyTree], jax.Array]:
        many, digits = (jnp.zeros((rows, *array.shape[1:]), array.dtype) for array in (features, tokens))

        def of_params(params: PyTree) -> jax.Array:
            latents, logits, _ = task.outputs(params, many, table, digits, digits[..., 0])
            return jnp.sum(latents) + jnp.sum(jnp.square(logits))

        return of_params

    row_bytes = _BFLOAT16 * features.size + FLOAT32 * backbone.chunk_length * ACTION_SIZE
    return trace_cost(
        lambda key: task.init(key, features, table, tokens),
        loss,
        (),
        compute_bytes=FLOAT32,
        state_copies=_copies(has_average=True),
        row_bytes=row_bytes,
    )


def _cloning_cost(
    objective: BehaviourCloning, encode: Callable[[str], NDArray[np.int32]], has_average: bool
) -> TrainingCost:
    backbone = objective.network.backbone
    needs = backbone.observation_needs
    table = InstructionTable.of([_INSTRUCTION], 1, "training", encode)
    proprio = ProprioNormalizer(jnp.zeros(needs.state_size), jnp.ones(needs.state_size))
    constants = PolicyConstants(proprio, table)
    horizon = backbone.chunks * backbone.chunk_length
    shapes = {
        "images": ((len(needs.cameras), needs.image_size, needs.image_size, 3), np.uint8),
        "proprio": ((needs.state_size,), np.float32),
        "instruction_ids": (table.given.shape[1:], np.int32),
        "actions": ((horizon, ACTION_SIZE), np.float32),
        "mask": ((horizon,), np.bool_),
    }

    def blank(rows: int) -> dict[str, jax.Array]:
        return {name: jnp.zeros((rows, *shape), dtype) for name, (shape, dtype) in shapes.items()}

    def loss(rows: int) -> Callable[[PyTree], jax.Array]:
        batch = blank(rows)
        return lambda params: objective.loss(Variables(params, {}), constants, batch, jax.random.key(0)).loss

    return trace_cost(
        objective.network.init,
        loss,
        _stacks(backbone, objective.network.init, proprio, policy_inputs(blank(1))),
        compute_bytes=jnp.dtype(objective.compute_dtype).itemsize,
        state_copies=_copies(has_average),
        row_bytes=sum(array.nbytes for array in blank(1).values()),
    )


def _stacks(
    backbone: Any, init: Callable[[jax.Array], PyTree], proprio: ProprioNormalizer, inputs: PolicyInputs
) -> list[Stack]:
    """Transformer blocks of the backbone, with the tokens of a row that they see."""
    params = meta.unbox(jax.eval_shape(init, jax.random.key(0)))[BACKBONE]
    entering = jax.eval_shape(lambda given: backbone.early_tokens(given, proprio, inputs, 0), params)
    if isinstance(backbone, CompactBackbone):
        return [Stack(backbone.depth, entering.shape[1], backbone.width)]
    sizes, tokens = backbone.sizes, entering.tokens.shape[1]
    return [
        *(
            Stack(
                tower.blocks,
                len(backbone.cameras) * (tower.patches + tower.class_tokens + tower.registers),
                tower.width,
            )
            for tower in (sizes.dinov2, sizes.siglip)
        ),
        Stack(backbone.depth, tokens, sizes.language.width),
    ]


def _copies(has_average: bool) -> int:
    return 5 if has_average else 4
