"""Folders of watched evaluations, made by hand."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from eval_bridge.episodes.shadow import EpisodeShadow, save_shadow
from eval_bridge.episodes.trace import trace_name
from rsd_jax.run_folder import SHADOW_FOLDER
from tests.eval_bridge.evaluation.folder_examples import write_evaluation
from tests.eval_bridge.evaluation.log_examples import MANIFEST, make_log, make_record

STAGES = ("rfsq", "policy", "main_head", "draft_policy", "confidence")


def write_checkpoints(run_dir: Path) -> Path:
    """What digests are taken of; nothing that could be loaded."""
    for stage in STAGES:
        folder = run_dir / stage / "best" / "00000001"
        folder.mkdir(parents=True)
        (folder / "metadata.json").write_text(MANIFEST)
    return run_dir


def shadow(calls: int = 3) -> EpisodeShadow:
    """An episode of `calls` calls that all looked."""
    return EpisodeShadow(
        drafted=np.zeros((calls, 1, 8, 2, 4), np.int8),
        foreseen=np.zeros((calls, 2, 8, 2, 4), np.int8),
        distance=np.zeros((calls, 1), np.float32),
        looked=np.ones(calls, np.bool_),
    )


def write_watched(
    folder: Path,
    shadows: Mapping[tuple[int, int], EpisodeShadow],
    digests: Mapping[str, str],
    settings: str,
    planned: int | None = None,
    **identity: object,
) -> Path:
    """A folder with log, summary and shadows, by default of the cascade in the development simulator."""
    named = {"simulator": "libero_development", "decoder": "cascade", "decoder_settings": settings} | identity
    records = [make_record(*episode, success=True) for episode in shadows]
    log = make_log(*records, **{f"checkpoint.{stage}": digest for stage, digest in digests.items()} | named)
    write_evaluation(folder, log, planned)
    for episode, each in shadows.items():
        save_shadow(folder / SHADOW_FOLDER / trace_name(*episode), each)
    return folder
