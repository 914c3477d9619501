"""Success under LIBERO-Plus's perturbations: a row an evaluation, of evaluations by the same checkpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval_bridge.evaluation.benchmarks import LiberoBenchmark
from eval_bridge.evaluation.episode_log import read_episode_log
from eval_bridge.runs.run_record import read_result
from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.simulators.perturbation.choice import KINDS, NOT_DONE, read_perturbation
from rsd_jax.run_folder import LOG_NAME, SUMMARY_NAME

MAKE = "python -m launch.evaluate --config configs/libero_eval.py --config.perturbation=KIND --config.output=FOLDER"

ANCHORS = {
    "MINT-30M": {"camera": 61, "robot_start": 41, "noise": 77},
    "OpenVLA-OFT": {"camera": 56.4, "robot_start": 31.9, "noise": 75.8},
}
"""Success in per cent over LIBERO-Plus's cases of all four suites, of policies trained on human demonstrations: of
MINT-30M as its authors published it, of OpenVLA-OFT from LIBERO-Plus's leaderboard."""

DEFINITIONS = {
    "suite": "the suite that the tasks are of; variant: of LIBERO-PRO, empty for its own words and things",
    "perturbation": "empty where nothing was perturbed, else a dimension of LIBERO-Plus: "
    + ", ".join(f"{kind} is {dimension}" for kind, dimension in KINDS.items()),
    "level": "of LIBERO-Plus, which tells how hard its cases were for its authors' models; null: cases of all levels",
    "seed": "of the evaluation, from which together with the task follows which case an episode has",
    "checkpoint": "digests of what acted, by stage",
    "cases": "different ones that episodes had; by_level and by_form: success by kinds of them",
    "interval": "Wilson's score interval, 95 %",
}


@dataclass(frozen=True)
class PerturbationRow:
    """One evaluation; `DEFINITIONS` says what the fields are. `settings` are the decoder's."""

    folder: str
    suite: str
    variant: str
    perturbation: str
    level: int | None
    decoder: str
    settings: str
    seed: int
    checkpoint: Mapping[str, str]
    episodes: int
    successes: int
    success_rate: float
    interval: Sequence[float]
    per_task: Sequence[Mapping[str, Any]]
    cases: int
    by_level: Sequence[Mapping[str, Any]]
    by_form: Sequence[Mapping[str, Any]]

    @property
    def place(self) -> tuple[Any, ...]:
        """Where it stands among others; no two rows stand in the same."""
        kind = [*KINDS].index(self.perturbation) + 1 if self.perturbation else 0
        return self.suite, self.variant, self.decoder, self.settings, self.seed, kind, self.level or 0


def read_perturbation_results(folders: Sequence[Path]) -> dict[str, Any]:
    """All rows, and where they come from, as JSON values.

    Raises:
        ValueError: an evaluation is missing, incomplete, not from evaluation states, or not in the ordinary protocol
            but for its perturbation; two are of the same cell, or their checkpoints differ.
    """
    summaries = {folder: _read_complete(folder) for folder in folders}
    rows = {folder: _row(folder, summary) for folder, summary in summaries.items()}
    _require_alike(rows)
    last = summaries[folders[-1]]
    return {
        "rows": [asdict(row) for row in sorted(rows.values(), key=lambda row: row.place)],
        "commit": _together([summary["commit"] or "unknown" for summary in summaries.values()]),
        "versions": last["versions"],
        "device": _together([summary["device"] for summary in summaries.values()]),
        "anchors": ANCHORS,
        "not_done": NOT_DONE,
        "definitions": DEFINITIONS,
    }


def _read_complete(folder: Path) -> dict[str, Any]:
    summary = read_result(folder / SUMMARY_NAME, MAKE)
    if summary["simulator"] != LiberoBenchmark.simulator:
        raise ValueError(
            f"{folder} is of the simulator {summary['simulator']!r}; published rows are of "
            f"{LiberoBenchmark.simulator!r}, whose starts nothing was chosen by: leave it out"
        )
    if summary["episodes"] != summary["planned"]:
        raise ValueError(f"{folder} has {summary['episodes']} of {summary['planned']} episodes; finish it first")
    if "timing" in summary:
        raise ValueError(f"{folder} is of an evaluation in which time passed: leave it out")
    return summary


def _row(folder: Path, summary: Mapping[str, Any]) -> PerturbationRow:
    suite, told = get_suite(summary["suite"]), summary.get("perturbation", {})
    perturbation = read_perturbation(told.get("name", ""))
    return PerturbationRow(
        folder=folder.name,
        suite=suite.base,
        variant=suite.name.removeprefix(suite.base).removeprefix("_"),
        perturbation=perturbation.kind if perturbation else "",
        level=perturbation.level if perturbation else None,
        decoder=summary["decoder"],
        settings=summary["decoder_settings"],
        seed=summary["seed"],
        checkpoint=read_episode_log(folder / LOG_NAME).checkpoints,
        episodes=summary["episodes"],
        successes=summary["successes"],
        success_rate=summary["success_rate"],
        interval=summary["success_interval"],
        per_task=summary["per_task"],
        cases=told.get("cases", 0),
        by_level=told.get("by_level", ()),
        by_form=told.get("by_form", ()),
    )


def _require_alike(rows: Mapping[Path, PerturbationRow]) -> None:
    """Raises ValueError where two rows stand in the same place, or the same stage had another checkpoint."""
    by_place: dict[tuple[Any, ...], Path] = {}
    first_of: dict[str, tuple[Path, str]] = {}
    for folder, row in rows.items():
        other = by_place.setdefault(row.place, folder)
        if other != folder:
            raise ValueError(f"{folder} and {other} are of the same cell, {row.place}: leave one out")
        for stage, digest in row.checkpoint.items():
            first, own = first_of.setdefault(stage, (folder, digest))
            if own != digest:
                raise ValueError(f"{folder} was run with another {stage} than {first}: evaluate one again")


def _together(values: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(values))
