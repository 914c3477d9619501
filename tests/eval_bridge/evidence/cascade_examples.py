"""A run with evaluations by cascades, made by hand."""

import dataclasses
from pathlib import Path
from typing import Any

from eval_bridge.evidence.cascade_record import CascadeQuery
from eval_bridge.policies.decoders import read_decoder
from eval_bridge.statistics.risk_control import mean_interval
from rsd_jax.atomic_files import write_json
from rsd_jax.run_folder import calibration_path
from tests.eval_bridge.analysis.watched_examples import write_checkpoints
from tests.eval_bridge.evaluation.folder_examples import write_evaluation
from tests.eval_bridge.evaluation.log_examples import DIGEST, log_of

CONFIDENCE = "longest_run=7 rule=confidence threshold=0.1"
AGREEMENT = "longest_run=1 tolerance=0.3"
NAMED = {"cascade": read_decoder("cascade", "rule=confidence threshold=.10 tolerance=0.7 longest_run=7")}
QUERY = CascadeQuery("libero", "libero_spatial", NAMED)

FULL = {0: "++++", 1: "++--"}
OUTCOMES = {0: "+++-", 1: "++++"}
"""Of the named cascade: episodes by who solved them are both 5, the full decoder alone 1, the cascade alone 2."""


def evaluate(folder: Path, decoder: str, settings: str = "", outcomes=OUTCOMES, planned=None, **identity: Any) -> Path:
    """An evaluation whose first call of two in each episode looked."""
    named = {"decoder": decoder} | ({"decoder_settings": settings} if settings else {}) | identity
    log = log_of(outcomes, **named)
    looked = (True, False) if decoder in ("cascade", "early_exit") else ()
    for key, record in log.episodes.items():
        rollout = record.rollout._replace(looked=looked)
        log.episodes[key] = dataclasses.replace(record, rollout=rollout)
    return write_evaluation(folder, log, planned)


def measured(calls: list[int], skipped: list[int], far: list[int]) -> dict[str, Any]:
    """As `launch.calibrate` measures episodes."""
    losses = [one / all_ for one, all_ in zip(far, calls, strict=True)]
    numbers = {"task": [0] * len(calls), "episode": list(range(len(calls)))}
    return {
        **{"folder": "checked", "episodes": len(calls), "calls": sum(calls), "skipped": sum(skipped) / sum(calls)},
        **{"risk": sum(losses) / len(losses), "risk_interval": list(mean_interval(losses))},
        "far_of_skipped": sum(far) / sum(skipped),
        "by_episode": {**numbers, "calls": calls, "skipped": skipped, "far": far},
    }


def calibrate(run_dir: Path, settings: str, alpha: float, epsilon: float, checked: bool, **more: Any) -> None:
    """A calibration whose threshold leads to `settings`: of 99 episodes 10 have one far call of 10."""
    risks = {0.05: 0.0, 0.1: 1 / 99, 0.2: 0.9}
    curve = [{"threshold": threshold, "episodes": 99, "risk": risk} for threshold, risk in risks.items()]
    facts = {
        **{"decoder": "cascade", "rule": "confidence", "settings": settings, "alpha": alpha, "epsilon": epsilon},
        **{"threshold": 0.1, "bound": 0.02, "checkpoints": {"draft_policy": DIGEST}, "curve": curve},
        "fitted_on": measured([10] * 99, [5] * 99, [1] * 10 + [0] * 89),
        "checked_on": measured([10, 5, 10], [6, 3, 7], [1, 0, 1]) if checked else None,
    }
    path = calibration_path(run_dir, "confidence", alpha, epsilon)
    path.parent.mkdir(exist_ok=True)
    write_json(path, facts | more)


def time(path: Path, settings: str, cascade_ms: float, device: str = "2 cores", **more: Any) -> Path:
    """A file of `launch.time_cascade`; the full decoder takes 24 ms a chunk."""
    of_cascade = {"episodes": 50, "calls": 900, "skipped": 0.5, "chunk_ms_mean": cascade_ms}
    facts = {
        **{"decoder": "cascade", "settings": settings, "full_decoder": "fixed_point", "checkpoints": {"rfsq": DIGEST}},
        **{"simulator": "libero", "suite": "libero_spatial", "device": device, "commit": "abc"},
        **{"cascade": of_cascade, "full": {"chunk_ms_mean": 24.0}, "full_over_cascade": 24.0 / cascade_ms},
    }
    write_json(path, facts | more)
    return path


def make_run(run_dir: Path) -> Path:
    """The named cascade, calibrated and checked, two others that are not, and what is none of the rows."""
    write_checkpoints(run_dir)
    evaluate(run_dir / "evaluation", "speculative_greedy", outcomes=FULL)
    evaluate(run_dir / "the_full_one", "fixed_point", outcomes=FULL)
    evaluate(run_dir / "evaluation_cascade", "cascade", "rule=both " + AGREEMENT)
    evaluate(run_dir / "chosen", "cascade", CONFIDENCE)
    evaluate(run_dir / "of_old", "early_exit", AGREEMENT, outcomes=FULL)
    evaluate(run_dir / "begun", "cascade", "threshold=0.5", planned=500)
    evaluate(run_dir / "watched", "cascade", "shadow=true " + CONFIDENCE, simulator="libero_development")
    settings = "rule=confidence threshold=0.1 longest_run=7"
    for alpha, epsilon, checked in ((0.025, 0.1, False), (0.05, 0.1, True), (0.2, 0.1, False), (0.2, 0.05, True)):
        calibrate(run_dir, settings, alpha, epsilon, checked)
    return run_dir
