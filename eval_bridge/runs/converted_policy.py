"""The policy of a run that was published and is converted, not trained; or drawn, where no checkpoint is at hand."""

import sys
from dataclasses import dataclass
from pathlib import Path

from eval_bridge.runs.stage_process import PipelineStage
from rsd_jax.checkpoints.stage_checkpoints import StageCheckpoints, read_params_hash
from rsd_jax.demos.frames import RENDER_SIZE
from rsd_jax.run_folder import ROWS_FOLDER

CONVERTED, FEATURES = "policy", "features"
"""Names of its stages: conversion, and extraction of what heads learn on."""


@dataclass(frozen=True)
class ConvertedPolicy:
    """Where OpenVLA's weights come from, and how its features are made.

    Attributes:
        checkpoint: a published folder; empty for none.
        hub: ``OWNER/NAME`` on the Hugging Face Hub in the place of it.
        base: for an adapter, the folder of the weights that it changes.
        statistics_key: the dataset whose ranges hold, where there are several.
        random: sizes of random weights, where neither a folder nor a name is given.
        dtype: of the parameters; empty leaves them as published.
        exit_block: blocks of the language model that run; 0 for all.
        heldout_every: every how many-th episode of a task heads do not learn from.
        batch_size: rows a call, while features are made.
        fsdp, tensor: devices that share parameters and batch, and each layer, meanwhile.

    Raises:
        ValueError: on construction, if both a folder and a name are given.
    """

    checkpoint: str
    hub: str
    base: str
    statistics_key: str
    random: str
    dtype: str
    exit_block: int
    heldout_every: int
    batch_size: int
    fsdp: int
    tensor: int

    def __post_init__(self) -> None:
        if self.checkpoint and self.hub:
            raise ValueError(
                f"openvla.checkpoint={self.checkpoint!r} and openvla.hub={self.hub!r} are two sources; give one"
            )

    @property
    def source(self) -> str:
        """What names it in the run's record."""
        of = self.checkpoint or self.hub or f"random {self.random}"
        return f"{of}, {self.exit_block} blocks" if self.exit_block else of

    @property
    def for_collection(self) -> str:
        """What demonstrations must have for it: frames as rendered."""
        return f"--config.image_size={RENDER_SIZE}"

    @property
    def for_tokenizer(self) -> str:
        """What its tokenizer must have: the policy's range of actions."""
        return "--config.model.action_range=policy"

    def stages(self, run_dir: Path, seed: int, collections: tuple[str, ...]) -> list[PipelineStage]:
        """Conversion, and extraction of the features of the demonstrations that the stages `collections` make."""
        convert = [sys.executable, "-m", "launch.convert_openvla", *self._source_options(seed), "--out", str(run_dir)]
        given = {"dtype": self.dtype, "exit_block": self.exit_block, "heldout_every": self.heldout_every}
        convert += [f"--{name}={value}" for name, value in given.items() if value]
        extract = [sys.executable, "-m", "launch.extract_features", "--run_dir", str(run_dir)]
        extract += [f"--{name}={getattr(self, name)}" for name in ("batch_size", "fsdp", "tensor")]
        return [
            PipelineStage(CONVERTED, run_dir / CONVERTED, convert, has_checkpoint, ()),
            PipelineStage(FEATURES, run_dir / ROWS_FOLDER, extract, has_features, (CONVERTED, *collections)),
        ]

    def _source_options(self, seed: int) -> list[str]:
        if not self.checkpoint and not self.hub:
            return ["--random", self.random, f"--seed={seed}"]
        options = ["--hub", self.hub] if self.hub else ["--source", self.checkpoint]
        given = {"base": self.base, "statistics_key": self.statistics_key}
        return options + [f"--{name}={value}" for name, value in given.items() if value]


def has_checkpoint(output: Path) -> bool:
    """Whether a stage's folder holds a best checkpoint, of whatever made it."""
    return StageCheckpoints(output).find("best") is not None


def has_features(rows: Path) -> bool:
    """Whether a run's folder of rows holds features of its policy."""
    checkpoint = StageCheckpoints(rows.parent / CONVERTED).find("best")
    if checkpoint is None or (params_hash := read_params_hash(checkpoint)) is None:
        return False
    return any(rows.glob(f"{FEATURES}*-{params_hash[:16]}"))
