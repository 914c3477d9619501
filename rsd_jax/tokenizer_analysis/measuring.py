"""What an analysis measures: every tokenizer and baseline, once a seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rsd_jax.content_check import read_checked_json
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.rfsq.baselines import DctBpe, UniformBins
from rsd_jax.run_folder import METRICS_NAME
from rsd_jax.stored_models import StoredPolicy
from rsd_jax.tokenizer_analysis.baseline_measures import measure_bins, measure_dct_bpe
from rsd_jax.tokenizer_analysis.head_probe import ProbeSettings, probe
from rsd_jax.tokenizer_analysis.measures import forward_minus_token_mse, measure
from rsd_jax.tokenizer_analysis.results import Record
from rsd_jax.tokenizer_analysis.rows import AnalysisRows
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.stages.rfsq import RfsqSettings, rfsq_stage
from rsd_jax.training.train_loop import train

BINS = "openvla_bins"


class Variant(NamedTuple):
    """A tokenizer of this project, and how it is trained."""

    settings: RfsqSettings
    training: TrainingConfig


class Measurement(NamedTuple):
    """One tokenizer with one seed; `measure` takes a folder of its own and gives JSON values or arrays."""

    name: str
    seed: int
    measure: Callable[[Path], Record]


def plan_measurements(
    variants: Mapping[str, Variant],
    heads: ProbeSettings,
    dct_scales: Sequence[float],
    seeds: Sequence[int],
    policy: StoredPolicy,
    rows: AnalysisRows,
) -> list[Measurement]:
    """Everything to measure, a tokenizer after the other.

    Args:
        variants: by name.
        heads: that try to predict the tokens.
        dct_scales: one DCT baseline each.
        seeds: of every tokenizer and its heads.
        policy: whose features the heads see.
        rows: to train and to measure on.
    """
    mesh = make_mesh(MeshConfig())
    actions, normalizer = rows.actions, rows.actions.normalizer
    training_chunks = actions.train

    def rfsq(variant: Variant, seed: int) -> Callable[[Path], Record]:
        def make(directory: Path) -> Record:
            objective = variant.settings.objective()
            training = replace(variant.training, seed=seed)
            train(rfsq_stage(objective, actions), training, directory / "rfsq", mesh)
            tokenizer = RfsqTokenizer.load(directory / "rfsq")
            figures = measure(tokenizer, actions.heldout, actions.heldout_executed, seed)
            moving = np.asarray(figures.pop("moving"))
            trained = read_checked_json(directory / "rfsq" / METRICS_NAME)
            seeded = heads._replace(
                draft_training=replace(heads.draft_training, seed=seed),
                main_training=replace(heads.main_training, seed=seed),
            )
            return {
                **figures,
                "forward_minus_token_mse": forward_minus_token_mse(objective, tokenizer, actions.heldout),
                "train_seconds": trained["training"]["seconds"],
                "train_steps": trained["training"]["steps"],
                "token_hash": tokenizer.token_hash,
                "head": probe(seeded, tokenizer, policy, rows, moving, directory, mesh),
            }

        return make

    def bins(seed: int) -> Callable[[Path], Record]:
        return lambda _: measure_bins(UniformBins(normalizer, training_chunks.shape[1]), actions.heldout, seed)

    def dct(scale: float, seed: int) -> Callable[[Path], Record]:
        return lambda _: measure_dct_bpe(DctBpe.train(training_chunks, normalizer, scale), actions.heldout, seed)

    return [
        *(Measurement(name, seed, rfsq(variant, seed)) for name, variant in variants.items() for seed in seeds),
        *(Measurement(BINS, seed, bins(seed)) for seed in seeds),
        *(Measurement(f"dct_bpe_{scale:g}", seed, dct(scale, seed)) for scale in dct_scales for seed in seeds),
    ]
