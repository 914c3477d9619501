"""The policy of a run that is there already: published and converted, another run's, or drawn where there is none."""

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
        policy: in their place a run whose policy is taken, such as ``launch.export_finetuned`` writes; its types and
            its held-out episodes are those that it has.
        base: for an adapter, the folder of the weights that it changes.
        statistics_key: the dataset whose ranges hold, where there are several.
        random: sizes of random weights, where none of the three is given.
        dtype: of the parameters; empty leaves them as published.
        exit_block: blocks of the language model that run; 0 for all.
        heldout_every: every how many-th episode of a task heads do not learn from.
        batch_size: rows a call, while features are made.
        fsdp, tensor: devices that share parameters and batch, and each layer, meanwhile.

    Raises:
        ValueError: on construction, if two of folder, name and run are given.
    """

    checkpoint: str
    hub: str
    policy: str
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
        if len(given := [name for name in ("policy", "checkpoint", "hub") if getattr(self, name)]) > 1:
            named = " and ".join(f"openvla.{name}={getattr(self, name)!r}" for name in given)
            raise ValueError(
                f"{named} are {len(given)} sources of one policy; give one, or none of policy, checkpoint and hub for "
                "the random weights of openvla.random"
            )

    @property
    def source(self) -> str:
        """What names it in the run's record."""
        taken = f"policy of {Path(self.policy)}" if self.policy else ""
        of = taken or self.checkpoint or self.hub or f"random {self.random}"
        return f"{of}, {self.exit_block} blocks" if self.exit_block else of

    @property
    def for_collection(self) -> str:
        """What demonstrations must have for it: frames as rendered."""
        return f"--config.image_size={RENDER_SIZE}"

    def for_training(self, stage: str) -> tuple[str, ...]:
        """What the training of a stage beside it is told.

        The tokenizer has its range of actions. A draft policy learns from its stored features, and remembers none of
        them: they are larger than it is.
        """
        told = {
            "rfsq": ("--config.model.action_range=policy",),
            "draft_policy": ("--config.model.taught_on=frames", "--config.model.oldest_look=0"),
        }
        return told.get(stage, ())

    def stages(self, run_dir: Path, seed: int, collections: tuple[str, ...]) -> list[PipelineStage]:
        """Its checkpoint, and extraction of the features of the demonstrations that the stages `collections` make."""
        convert = [sys.executable, "-m", "launch.convert_openvla", *self._source_options(seed), "--out", str(run_dir)]
        names = ("exit_block",) if self.policy else ("dtype", "exit_block", "heldout_every")
        convert += [f"--{name}={value}" for name in names if (value := getattr(self, name))]
        extract = [sys.executable, "-m", "launch.extract_features", "--run_dir", str(run_dir)]
        extract += [f"--{name}={getattr(self, name)}" for name in ("batch_size", "fsdp", "tensor")]
        return [
            PipelineStage(CONVERTED, run_dir / CONVERTED, convert, has_checkpoint, ()),
            PipelineStage(FEATURES, run_dir / ROWS_FOLDER, extract, has_features, (CONVERTED, *collections)),
        ]

    def _source_options(self, seed: int) -> list[str]:
        if self.policy:
            return ["--policy", self.policy]
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
