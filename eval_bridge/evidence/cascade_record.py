"""The file that holds the published figures of a run's cascades."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval_bridge.evaluation.summary import CHANGED_PROTOCOL
from eval_bridge.evidence.cascade_evidence import Timing, calibration_of, read_calibrations, read_cascade, read_timings
from eval_bridge.evidence.cascade_rows import FULL_DECODERS, CascadeRow, Evaluated, make_row
from eval_bridge.policies.acting_settings import ActingSettings, acting_settings
from eval_bridge.policies.cascade import CASCADE
from eval_bridge.policies.cascade_decoder import CascadeDecoder
from eval_bridge.policies.decoder_interface import Decoder
from eval_bridge.policies.early_exit import EARLY_EXIT
from eval_bridge.policies.fitted_settings import Facts
from rsd_jax.checkpoints.stage_checkpoints import changed_stages
from rsd_jax.run_folder import SUMMARY_NAME

DEFINITIONS = {
    "rule": "of the decoder cascade the rule by which a draft acts; early_exit for the decoder of that name",
    "settings": "with which it acted, those that the checkpoints decide written out",
    "named_before": "whether the pipeline's configuration names these settings for the decoder, or rule, alpha and "
    "epsilon of the calibration on development episodes that fitted them",
    "interval": "of successes / episodes: Wilson's score interval, 95 %",
    "skipped": "share of the calls that did without the main backbone",
    "paired": "as launch.compare writes it: first the full decoder, second the cascade, difference = second - first",
    "risk": "share of an episode's calls at which a draft acted further than epsilon from the main model's chunk: the "
    "mean over the checking episodes, which the fitted threshold ran; alpha bounds its expectation",
    "risk_interval": "of the mean over episodes, 95 %, by the central limit theorem",
    "chunk_ms_mean": "mean over the calls of whole episodes, observation to actions, batch 1, the first of `times`",
}


@dataclass(frozen=True)
class CascadeQuery:
    """What is recorded.

    Attributes:
        simulator, suite: of the evaluations.
        named: the decoders that a pipeline names, with their settings.
        named_calibration: rule, alpha and epsilon that a pipeline names for the decoder cascade; None for none.
        full: folder of the evaluation to compare with; None for the run's own, see `FULL_DECODERS`.
        times: files of `launch.time_cascade`.
        alpha, epsilon: of calibrations that share a threshold, which one is told.
    """

    simulator: str
    suite: str
    named: Mapping[str, Decoder]
    named_calibration: tuple[str, float, float] | None = None
    full: Path | None = None
    times: tuple[Path, ...] = ()
    alpha: float = 0.05
    epsilon: float = 0.1


def read_cascade_record(run_dir: Path, query: CascadeQuery) -> dict[str, Any]:
    """All figures of a run's cascades, JSON-serialisable, the named ones first.

    Raises:
        ValueError: there is no evaluation by a cascade or by a full decoder, something is of other checkpoints than
            the run has, or a time belongs to no row; the message names it and what is to be done.
        CheckpointError: the run lacks a checkpoint.
    """
    found = list(_evaluations(run_dir, query))
    cascades = [each for each in found if each.summary["decoder"] in (CASCADE, EARLY_EXIT)]
    if not cascades:
        raise ValueError(
            f"{run_dir} holds no complete evaluation of {query.suite} in simulator={query.simulator} by {CASCADE} or "
            f"{EARLY_EXIT}: python -m launch.evaluate ... --config.run_dir={run_dir} --config.decoder={CASCADE}"
        )
    full = _full_evaluation(run_dir, found, query)
    for each in (full, *cascades):
        if different := changed_stages(run_dir, each.checkpoints):
            raise ValueError(
                f"{each.path} was run with another {', '.join(different)} than {run_dir} has: move it away, and "
                "evaluate again what is there now"
            )
    calibrations = _of_suite(read_calibrations(run_dir), query.suite)
    timings = read_timings(query.times, run_dir, query.simulator, query.suite)

    def told(acts: ActingSettings) -> Facts | None:
        return calibration_of(acts, calibrations, query.alpha, query.epsilon)

    named = _named(run_dir, query, calibrations)
    rows = [make_row(run_dir, each, full, named, timings, told) for each in cascades]
    rows.sort(key=lambda row: (not row.named_before, row.decoder, row.rule, row.settings, row.folder))
    _require_all_used(query.times, timings, rows)
    first = next(each for each in cascades if each.folder == rows[0].folder)
    return {
        "rows": [asdict(row) for row in rows],
        "full": {
            "folder": full.folder,
            **{name: full.summary[name] for name in ("decoder", "suite", "simulator", "episodes", "successes")},
            "interval": full.summary["success_interval"],
            **{name: full.summary[name] for name in ("commit", "device")},
        },
        "calibrations": calibrations,
        "checkpoints": {stage: digest for each in (full, *cascades) for stage, digest in each.checkpoints.items()},
        **{name: first.summary[name] for name in ("commit", "device", "versions")},
        "definitions": DEFINITIONS,
    }


def _of_suite(calibrations: list[Facts], suite: str) -> list[Facts]:
    """Those that were fitted on `suite`, of a run of several; else all."""
    return [each for each in calibrations if each.get("suite") == suite] or calibrations


def _evaluations(run_dir: Path, query: CascadeQuery) -> Iterator[Evaluated]:
    """The complete evaluations that are asked about by the ordinary protocol, whatever their folders are called."""
    for path in sorted(run_dir.glob(f"*/{SUMMARY_NAME}")):
        each = Evaluated.read(path.parent)
        is_asked = (each.summary["simulator"], each.summary["suite"]) == (query.simulator, query.suite)
        if is_asked and each.is_complete and not CHANGED_PROTOCOL & each.summary.keys():
            yield each


def _named(run_dir: Path, query: CascadeQuery, calibrations: Sequence[Facts]) -> set[ActingSettings]:
    """The cascades that the pipeline names, with settings or by the calibration that fitted them."""
    cascades: list[CascadeDecoder] = []
    for name, decoder in query.named.items():
        if name == CASCADE and query.named_calibration is not None:
            cascades += [
                read_cascade(CASCADE, each["settings"], run_dir)
                for each in calibrations
                if each["decoder"] == CASCADE
                and (each["rule"], each["alpha"], each["epsilon"]) == query.named_calibration
                and each["settings"] is not None
            ]
        elif isinstance(decoder, CascadeDecoder):
            cascades.append(decoder)
    return {acting_settings(each, run_dir) for each in cascades}


def _full_evaluation(run_dir: Path, found: Sequence[Evaluated], query: CascadeQuery) -> Evaluated:
    if query.full is not None:
        if not (query.full / SUMMARY_NAME).is_file():
            raise ValueError(f"--full={query.full} holds no {SUMMARY_NAME}; name the folder of a finished evaluation")
        return Evaluated.read(query.full)
    for decoder in FULL_DECODERS:
        own = [each for each in found if each.summary["decoder"] == decoder]
        if len(own) > 1:
            raise ValueError(
                f"{run_dir} holds {len(own)} evaluations by {decoder}, {', '.join(each.folder for each in own)}: name "
                "the one to compare with by --full FOLDER"
            )
        if own:
            return own[0]
    raise ValueError(
        f"{run_dir} holds no complete evaluation of {query.suite} in simulator={query.simulator} by "
        f"{', '.join(FULL_DECODERS)}, which cascades are compared with: evaluate by {FULL_DECODERS[0]}, or name a "
        "folder by --full FOLDER"
    )


def _require_all_used(paths: Sequence[Path], timings: Sequence[Timing], rows: Sequence[CascadeRow]) -> None:
    evaluated = {(row.decoder, row.settings) for row in rows}
    seen = set()
    for path, timing in zip(paths, timings, strict=True):
        acts, device = (timing.acts.decoder, timing.acts.written), timing.facts["device"]
        if acts not in evaluated:
            raise ValueError(
                f"--times={path} is of {' with '.join(acts)}, by which nothing was evaluated: evaluate it, or leave "
                "the file out"
            )
        if (acts, device) in seen:
            raise ValueError(f"--times={path} tells of {' with '.join(acts)} on {device} again: name one file of it")
        seen.add((acts, device))
