"""Where a training begins that goes on with the weights of another: optimizer state and steps begin anew."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax

from rsd_jax.array_types import PyTree
from rsd_jax.checkpoints import load_stage
from rsd_jax.checkpoints.metadata import json_value
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests, read_best_metadata
from rsd_jax.pretrained import named_run
from rsd_jax.training.objectives.interface import KeepsConstants, Stage, StageSettings
from rsd_jax.training.objectives.taken_over import TakenOver
from rsd_jax.training.parts import read_parts

logger = logging.getLogger(__name__)

_POLICY = ("backbone", "head", "main_head", "proprio", "normalizer", "tokenizer_hash", "conventions")
_HEAD = ("model", "layout", "normalizer", "tokenizer_hash")

MUST_AGREE: Mapping[str, tuple[str, ...]] = {
    "rfsq": ("layout", "quantizer"),
    "policy": _POLICY,
    "draft": _HEAD,
    "main_head": _HEAD,
    "draft_policy": _POLICY,
}
"""Stages that can begin with given weights, and of each the facts of its checkpoint in which both must agree."""

_LATER = ("quantizer", "tokenizer_hash", "normalizer")
"""Facts that checkpoints of earlier versions do not tell."""


class StartMismatchError(ValueError):
    """Weights to begin with are of another network, or know other tokens or other normalisations."""


def begin_from(name: str, settings: StageSettings, run_dir: Path, source: str) -> Stage:
    """The stage called `name` on what lies in `run_dir`, which begins with the weights that it has in `source`.

    What those weights know stays as it is: the tokenizer itself, and how a policy normalises the robot's states.

    Args:
        name: one of `MUST_AGREE`.
        settings: of the stage.
        run_dir: folder of the run that is trained.
        source: folder of another run, or a shipped checkpoint (`named_run`).

    Raises:
        StartMismatchError: `source` has another network, tokenizer or normalisation; the message names what differs.
        CheckpointError: the stage has no checkpoint there, or a damaged one.
        ValueError: the stage cannot begin with given weights, `source` is `run_dir`, or as `StageSettings.build`.
    """
    folder = _folder(name, run_dir, source)
    there = read_best_metadata(folder, name).facts
    _require_agreement(name, source, there, _planned(settings))
    stage = settings.build_from(run_dir, folder) if isinstance(settings, KeepsConstants) else settings.build(run_dir)
    _require_agreement(name, source, there, {fact: stage.metadata.get(fact) for fact in MUST_AGREE[name]})
    parts = read_parts(source, name)
    if isinstance(stage.objective, TakenOver):  # its parameters are given as it is
        return replace(stage, parts=parts)
    return replace(stage, starts_from=partial(_read_weights, folder, name, parts[-1]["checkpoint"]), parts=parts)


def check_start(name: str, settings: StageSettings, source: str) -> None:
    """Checks what can be known before there are demonstrations; raises as `begin_from`."""
    there = read_best_metadata(_folder(name, None, source), name).facts
    _require_agreement(name, source, there, _planned(settings))


def _folder(name: str, run_dir: Path | None, source: str) -> Path:
    if name not in MUST_AGREE:
        raise ValueError(
            f"start_from={source!r}: stage {name!r} begins anew in every part; those that can begin with given "
            f"weights are {', '.join(MUST_AGREE)}"
        )
    folder = named_run(source)
    if run_dir is not None and folder.resolve() == Path(run_dir).resolve():
        raise ValueError(
            f"start_from={source!r} is the run itself: give the next part a folder of its own (--config.run_dir=...)"
        )
    return folder


def _planned(settings: StageSettings) -> Mapping[str, Any]:
    return settings.planned_facts() if isinstance(settings, KeepsConstants) else {}


def _require_agreement(name: str, source: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Compares the facts `here` with those that the checkpoint in `source` tells."""
    different = [
        difference
        for fact, asked in json_value(dict(here)).items()
        if not (fact in _LATER and there.get(fact) is None)
        for difference in _differences(fact, there.get(fact), asked)
    ]
    if different:
        raise StartMismatchError(
            f"start_from={source!r}: stage {name!r} cannot begin with the weights there, for these differ:\n"
            + "\n".join(f"    {difference}" for difference in different)
            + "\nGive the values of the part before (--config.model...); its tokenizer stays if rfsq is trained with "
            "the same start_from. Or begin anew, without start_from"
        )


def _differences(path: str, there: Any, here: Any) -> Iterator[str]:
    """Every value that differs, by its path."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted({*there, *here}):
            yield from _differences(f"{path}.{key}", there.get(key), here.get(key))
    elif there != here:
        yield f"{path}: {there} there, {here} here"


def _read_weights(folder: Path, name: str, checkpoint: str) -> PyTree:
    """The parameters of a stage, in this process's memory.

    Raises:
        ValueError: its best checkpoint is no longer `checkpoint`.
    """
    loaded = load_stage(folder, name)
    if checkpoint_digests(folder, [name])[name] != checkpoint:
        raise ValueError(
            f"start_from: the training in {folder / name} goes on and has put another checkpoint in the place of the "
            "one to begin with; wait until it is finished"
        )
    logger.info("stage %s begins with the weights of %s, step %d there", name, folder, loaded.metadata.step)
    return jax.device_get(loaded.variables["params"])
