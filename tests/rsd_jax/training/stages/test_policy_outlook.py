"""What is reported of the chunks that a policy foresees behind the one that it acts on."""

from types import SimpleNamespace

import numpy as np
import pytest

from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.instruction import encode_instruction
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning
from rsd_jax.training.stages import policy as policy_stage

TEXT = "open the drawer"


def test_errors_of_the_outlook_are_told_apart_and_end_with_the_episode():
    rows = {
        "images": np.ones((2, 2, 8, 8, 3), np.uint8),
        "proprio": np.zeros((2, 8), np.float32),
        "instruction_ids": np.tile(encode_instruction(TEXT), (2, 1)),
        "actions": np.zeros((2, 4, 7), np.float32),
        "mask": np.array([[True] * 4, [True, True, True, False]]),
        "foreseeable": np.array([[True, True, True, False], [True] * 4]),
    }
    predicted = np.zeros((2, 4, 7), np.float32)
    predicted[:, :2] = 0.1  # of the chunk that is acted on
    predicted[0, 2], predicted[1, 2] = 0.2, 0.4
    predicted[:, 3] = 9.0  # what nobody could foresee, and behind the episode's end
    predicted[0, 2, 6] = -0.2

    objective = BehaviourCloning(PolicyNetwork(CompactBackbone(chunk_length=2, chunks=2), RegressionConfig()))
    found = policy_stage.evaluate_policy(
        objective,
        lambda *_: SimpleNamespace(actions=predicted),
        None,
        InstructionTable.of([TEXT], 2, "heldout", encode_instruction),
        rows,
        SimpleNamespace(params=None),
    )
    assert found["heldout_l1"] == found["heldout_l1_reworded"] == pytest.approx(0.1)
    assert found["heldout_l1_outlook"] == pytest.approx((0.2 + 0.4) / 2)
    assert (found["heldout_gripper_accuracy"], found["heldout_gripper_accuracy_outlook"]) == (1.0, 0.5)
