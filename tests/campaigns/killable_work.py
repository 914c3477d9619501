"""The commands that the campaign kills: what they start from, and what they must leave however often they are."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_jax.checkpoints import StageCheckpoints
from rsd_jax.demos.libero_hdf5 import read_demos
from rsd_jax.pretrained import PRETRAINED
from tests.rsd_jax.demos.demo_examples import write_example_task
from tests.rsd_jax.training.run_fingerprint import fingerprint

CHECKPOINT_EVERY = 100
"""Steps between saves of the training."""

_OF_AN_EPISODE = ("task", "episode", "seed", "success", "steps", "rounds", "actions", "acceptance")
"""What an episode's record holds beside times."""


@dataclass(frozen=True)
class Work:
    """A command that goes on where it was killed.

    Attributes:
        arguments: of Python, given the run's folder.
        prepare: lays into a new folder what the command starts from.
        result: everything in the folder that must not depend on kills.
        saved: where a kill within a save or a restore shows, below the folder; None where nothing is saved.
    """

    arguments: Callable[[Path], Sequence[str]]
    prepare: Callable[[Path], None]
    result: Callable[[Path], Any]
    saved: str | None = None

    def command(self, folder: Path) -> list[str]:
        """The whole command."""
        return [sys.executable, *self.arguments(folder)]


def _training(folder: Path) -> list[str]:
    settings = {
        "run_dir": folder,
        "model.num_layers": 2,
        "training.steps": 2000,
        "training.checkpoint_every": CHECKPOINT_EVERY,
        "training.evaluate_every": 250,
        "training.log_every": 1,
    }
    given = [f"--config.{name}={value}" for name, value in settings.items()]
    return ["-m", "launch.train", "--config", "configs/rfsq.py:tiny", *given]


def _evaluation(folder: Path) -> list[str]:
    settings = {
        "run_dir": folder,
        "decoder": "l1_regression",
        "episodes_per_task": 12,
        "video.per_task": 0,
        "latency_repeats": 1,
    }
    given = [f"--config.{name}={value}" for name, value in settings.items()]
    return ["-m", "launch.evaluate", "--config", "configs/libero_eval.py:tiny", *given]


def episodes_of(folder: Path) -> list[Any]:
    """What the records of an evaluation hold beside times, by episode."""
    lines = (folder / "evaluation" / "episodes.jsonl").read_text().splitlines()
    records = [record for record in map(json.loads, lines) if record["kind"] == "episode"]
    return sorted(({name: record[name] for name in _OF_AN_EPISODE} for record in records), key=lambda r: r["episode"])


def _collection(folder: Path) -> list[str]:
    settings = {"run_dir": folder, "demos_per_task": 2, "images": False, "workers": 1}
    given = [f"--config.{name}={value}" for name, value in settings.items()]
    return ["-m", "launch.collect", "--config", "configs/demos.py:tiny", *given]


def _collected(folder: Path) -> list[Any]:
    (file,) = folder.glob("demos/*/*_demo.hdf5")
    return [
        [array.tobytes() for array in (demo.actions, demo.labels, demo.proprio)]
        for demo in read_demos(file, with_frames=False)
    ]


WORKS = {
    "training": Work(_training, write_example_task, lambda folder: fingerprint(folder / "rfsq"), "rfsq"),
    "training_2_processes": Work(
        lambda folder: ["-m", "launch.local_processes", "2", "--", *_training(folder), "--peer_timeout=5"],
        write_example_task,
        lambda folder: fingerprint(folder / "rfsq"),
        "rfsq",
    ),
    "evaluation": Work(
        _evaluation, lambda folder: shutil.copytree(PRETRAINED, folder, dirs_exist_ok=True), episodes_of
    ),
    "collection": Work(_collection, lambda folder: None, _collected),
}


def steps_lost(folder: Path) -> int:
    """Steps that a training had taken and logged since what it goes on from."""
    log = folder / "metrics.jsonl"
    whole = log.read_text().splitlines(keepends=True) if log.exists() else []
    reached = max((json.loads(line)["step"] for line in whole if line.endswith("\n")), default=0)
    latest = StageCheckpoints(folder).find("latest")
    return reached - (0 if latest is None else int(latest.name))
