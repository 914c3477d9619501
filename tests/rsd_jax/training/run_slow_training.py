"""Trains the toy stage, its parameters split over all devices of all processes, slowly enough to be interrupted.

    python -m tests.rsd_jax.training.run_slow_training FOLDER SECONDS

SECONDS pass at every evaluation.
"""

import logging
import sys
import time
from dataclasses import replace
from pathlib import Path

from rsd_jax.distributed import hosts
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.train_loop import train
from tests.rsd_jax.training.toy_stage import make_toy_stage

CONFIG = TrainingConfig(
    steps=60,
    batch_size=8,
    learning_rate=1e-2,
    warmup_steps=2,
    ema_decay=0.9,
    evaluate_every=5,
    checkpoint_every=10,
    log_every=5,
)


def main(folder: Path, seconds: float) -> None:
    """Joins the run that the environment tells of, and trains."""
    hosts.initialise()
    with hosts.leaving_together():
        stage = make_toy_stage()

        def evaluate_slowly(variables):
            time.sleep(seconds)
            return stage.evaluate(variables)

        mesh = make_mesh(MeshConfig(data=1, fsdp=-1))
        train(replace(stage, evaluate=evaluate_slowly), CONFIG, folder / "toy", mesh)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    main(Path(sys.argv[1]), float(sys.argv[2]))
