import math
from pathlib import Path

import jax
import pytest
from flax.core import meta

from eval_bridge.runs.scaling.trainings import heads_cost, openvla_cost, policy_cost
from launch.config_flags import load_config
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import TINY
from rsd_jax.distributed.cost_model.training_cost import Stack
from rsd_jax.heads.main_head import MainHeadConfig


@pytest.fixture
def values(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[4])
    return load_config("configs/policy.py:tiny")[1].to_dict()


def test_a_policy_costs_what_its_configuration_says(values):
    """Of two chunks of 8 steps; an instruction has room for 32 words."""
    cost = policy_cost(values)
    backbone = values["model"]["backbone"]
    assert [(stack.blocks, stack.width) for stack in cost.stacks] == [(backbone["depth"], backbone["width"])]
    assert cost.stacks[0].tokens > backbone["chunks"] * backbone["chunk_length"]
    assert (cost.compute_bytes, cost.state_copies) == (4, 4)  # float32, and no average
    assert cost.row_bytes == 2 * 128 * 128 * 3 + 4 * 8 + 4 * 32 + 16 * (4 * 7 + 1)
    assert (cost.most_fsdp, cost.most_tensor) == (16, 2)


def test_only_a_compact_policy_is_planned_by_its_configuration(values):
    values["model"]["backbone"] = {"kind": "openvla", "sizes": "tiny"}
    with pytest.raises(ValueError, match=r"model\.backbone is .*; a policy to plan has the compact one"):
        policy_cost(values)


def test_openvla_trains_all_of_its_parameters_in_bfloat16():
    cost = openvla_cost(TINY)
    params = meta.unbox(jax.eval_shape(OpenVlaBackbone(TINY).init, jax.random.key(0)))
    head = 7 * 64 * 7 + 7
    assert cost.parameters.total == sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params)) + head
    assert (cost.compute_bytes, cost.state_copies) == (2, 5)
    # Two cameras of 4 patches; DINOv2 has 5 tokens beside them, and sees each camera for itself.
    towers, language = cost.stacks[:2], cost.stacks[2]
    assert towers == (Stack(2, 2 * 9, 32), Stack(3, 2 * 4, 48))
    assert (language.blocks, language.width) == (3, 64)


def test_a_head_reads_a_chunk_of_stored_features():
    cost = heads_cost(TINY, MainHeadConfig(width=16, depth=1, column_features=4))
    features = 8 * 7 * 64
    assert cost.row_bytes == 2 * features + 4 * 8 * 7
    assert cost.stacks == ()
    # Latents from the features alone are more than a product of the features with the head's width.
    assert cost.flops_per_row > 3 * 2 * features * 16
