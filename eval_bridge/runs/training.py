"""The training of one stage in a run folder, with a configuration that a few settings change."""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval_bridge.runs.stage_process import PipelineStage
from rsd_jax.run_folder import METRICS_NAME

ReadConfig = Callable[[str, Sequence[str]], Mapping[str, Any]]
"""Reads ``FILE[:variant]`` with overrides ``--config.KEY=VALUE``: nested values, or ValueError for a misspelt key."""


class Training(NamedTuple):
    """A training.

    Attributes:
        stage: with its command.
        configuration: digest of all values of its configuration: overrides say little if the values that they were
            applied to have changed.
    """

    stage: PipelineStage
    configuration: str


def plan_training(
    read_config: ReadConfig, name: str, variant: str, folder: Path, seed: int, steps: int, changes: Sequence[str]
) -> Training:
    """The training of the stage called `name` in the run folder `folder`.

    Args:
        read_config: reads the stage's configuration, ``configs/NAME.py``.
        name: of the stage.
        variant: of its configuration; empty for the one without a name.
        folder: of the run.
        seed: of the training.
        steps: optimizer steps; 0 leaves them to the configuration.
        changes: KEY=VALUE, in the configuration.

    Raises:
        ValueError: a misspelt key: an error before anything is trained.
    """
    source = f"configs/{name}.py:{variant}" if variant else f"configs/{name}.py"
    arguments = [f"--config.{change}" for change in (*_length(read_config, source, steps), *changes)]
    values = json.dumps(read_config(source, arguments), sort_keys=True)
    command = [sys.executable, "-m", "launch.train", "--config", source, f"--config.run_dir={folder}"]
    stage = PipelineStage(name, folder / name, [*command, f"--config.seed={seed}", *arguments], is_trained)
    return Training(stage, hashlib.sha256(values.encode()).hexdigest()[:16])


def is_trained(output: Path) -> bool:
    """Whether a stage's folder holds the metrics of a finished training."""
    return (output / METRICS_NAME).is_file()


def _length(read_config: ReadConfig, source: str, steps: int) -> list[str]:
    """Overrides for another number of steps: the periods must not be longer."""
    if not steps:
        return []
    training = read_config(source, ())["training"]
    shortened = {
        "warmup_steps": min(training["warmup_steps"], steps // 10),
        "evaluate_every": min(training["evaluate_every"], steps),
        "checkpoint_every": min(training["checkpoint_every"], steps),
        "steps_per_dispatch": min(training["steps_per_dispatch"], steps),
    }
    return [f"training.steps={steps}", *(f"training.{key}={value}" for key, value in shortened.items())]
