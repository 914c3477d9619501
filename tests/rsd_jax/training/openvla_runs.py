"""Runs of a miniature OpenVLA with random weights, and its fine-tuning."""

from dataclasses import replace

import pytest

from rsd_jax.backbones.openvla.configuration import TINY
from rsd_jax.registry import to_dataclass
from rsd_jax.stored_models.openvla import random_policy
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.stages.openvla_finetune import OpenVlaFinetuneSettings
from tests.rsd_jax.demos.demo_examples import example_demo
from tests.rsd_jax.training.test_large_frames import enlarged, write_run

SMALL = replace(
    TINY,
    dinov2=replace(TINY.dinov2, depth=2),
    siglip=replace(TINY.siglip, depth=2, heads=4),
    language=replace(TINY.language, depth=2),
)

CONFIG = TrainingConfig(
    steps=16, batch_size=4, learning_rate=3e-3, evaluate_every=8, checkpoint_every=8, log_every=1, data="host"
)


def small_run(run_dir, demos=None, **backbone):
    """Two episodes, of nine steps if no others are given, and a policy of `SMALL` that holds out the second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(random_policy, "SIZES", {"small": SMALL})
        fields = {"compute_dtype": "float32", **backbone}
        random_policy.write_random_policy("small", run_dir, heldout_every=2, **fields)
    return write_run(run_dir, demos or [enlarged(example_demo(seed, steps=9)) for seed in (0, 1)])


def settings(**changed):
    values = {
        "source": "",
        "way": "lora",
        "low_rank": {"rank": 4, "alpha": 8.0},
        "master_dtype": "float32",
        "moments_dtype": "float32",
        "compute_dtype": "float32",
        "kept_activations": "inputs",
        "augmentation": {"proprio_noise": 0.0},
        "rewordings": 1,
        "labels": "all",
        "heldout_rows": 2,
    }
    return to_dataclass(OpenVlaFinetuneSettings, values | changed)
