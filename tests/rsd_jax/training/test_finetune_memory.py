"""Bytes of a step, counted before it is run."""

from dataclasses import replace

import jax
import pytest
from jax.sharding import AbstractMesh

from rsd_jax.backbones.openvla.adapted_backbone import with_adapters
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import TINY
from rsd_jax.backbones.openvla.low_rank import LowRankConfig
from rsd_jax.distributed.mesh import MESH_AXES
from rsd_jax.heads.residual_regression_head import ResidualRegressionConfig
from rsd_jax.policy_network import BACKBONE, PolicyNetwork
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.finetune_memory import positions, step_memory
from rsd_jax.training.objectives.fine_tuning import FineTuning
from rsd_jax.training.train_step import make_optimizer

CONFIG = TrainingConfig(steps=10, batch_size=8, learning_rate=1e-3)


def memory(backbone, fsdp=1, tensor=1, rows=8, moments="float32", **fields):
    head = ResidualRegressionConfig(7, backbone.sizes.language.width)
    objective = FineTuning(PolicyNetwork(backbone, head), compute_dtype="bfloat16", **fields)
    mesh = AbstractMesh((1, fsdp, tensor), MESH_AXES)
    return step_memory(objective, make_optimizer(CONFIG, moments), mesh, rows)


SMALL = OpenVlaBackbone(TINY)


def test_state_is_counted_to_the_byte():
    """Four bytes each for what is trained, twice as many for two moments, half of the backbone's for the copy."""
    network = PolicyNetwork(SMALL, ResidualRegressionConfig(7, 64))
    drawn = jax.eval_shape(network.init, jax.random.key(0))
    of_backbone, all_of_them = (sum(leaf.size for leaf in jax.tree.leaves(tree)) for tree in (drawn[BACKBONE], drawn))
    found = memory(SMALL)
    assert found.trained == found.gradients == 4 * all_of_them
    assert found.moments == 2 * 4 * all_of_them + 8  # two counters of steps
    assert (found.cast, found.frozen) == (2 * of_backbone, 0)
    halved = memory(SMALL, moments="bfloat16", master_dtype="bfloat16")
    assert (halved.trained, halved.moments - 8, halved.cast) == (2 * all_of_them, 4 * all_of_them, 0)


def test_devices_share_it():
    one, split = memory(SMALL), memory(SMALL, fsdp=2, rows=16)
    assert one.trained / 2 < split.trained < one.trained / 2 * 1.02
    assert split.activations == one.activations
    assert (one.gathered, split.gathered) == (0, 2 * 2 * (4 * 64**2 + 3 * 64 * 112))
    with pytest.raises(ValueError, match="rows is 6; it must be divisible by mesh data x fsdp = 4"):
        memory(SMALL, fsdp=4, rows=6)


def test_adapters_are_all_that_has_moments():
    adapted = with_adapters(SMALL, LowRankConfig(rank=2))
    found = memory(adapted)
    assert found.frozen > 10 * found.cast
    assert found.moments == 2 * found.trained + 8
    assert memory(replace(adapted, low_rank=LowRankConfig(rank=4))).trained > found.trained


def test_what_is_kept_is_what_is_counted():
    kept = [memory(replace(SMALL, kept_activations=kept)).activations for kept in ("inputs", "products", "all")]
    assert kept[0] < kept[1] < kept[2]


def test_the_sequence_is_as_long_as_the_networks():
    for backbone in (OpenVlaBackbone(TINY), OpenVlaBackbone(TINY, ("wrist",), state_size=0, prompt_length=40)):
        cameras, side = len(backbone.cameras), TINY.image_size
        frames = jax.ShapeDtypeStruct((1, cameras, side, side, 3), "uint8")
        state = jax.ShapeDtypeStruct((1, 8), "float32") if backbone.state_size else None
        prompt = jax.ShapeDtypeStruct((1, backbone.prompt_length), "int32")
        network = backbone.network("float32")
        entered = jax.eval_shape(lambda *given, of=network: of.init(jax.random.key(0), *given, method="enter"),
                                 frames, state, prompt)  # fmt: skip
        sequence = jax.eval_shape(lambda params, *given, of=network: of.apply(params, *given, method="enter"),
                                  entered, frames, state, prompt)  # fmt: skip
        assert sequence.tokens.shape[1] == positions(backbone)
