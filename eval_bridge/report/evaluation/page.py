"""``report.html``: an evaluation for a person to read, in one file that needs no network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from eval_bridge.analysis.suite import analyse_traces
from eval_bridge.evaluation.comparison import Comparison
from eval_bridge.evaluation.episode_log import LogContents
from eval_bridge.evaluation.plan import EpisodeId
from eval_bridge.evaluation.summary import Summary
from eval_bridge.report.evaluation.comparison import comparison_section
from eval_bridge.report.evaluation.failures import failure_section
from eval_bridge.report.evaluation.films import make_films, make_hero
from eval_bridge.report.evaluation.latency import latency_section
from eval_bridge.report.evaluation.looks import looks_section
from eval_bridge.report.evaluation.motion import motion_section
from eval_bridge.report.evaluation.perturbation import perturbation_section
from eval_bridge.report.evaluation.speculation import speculation_section
from eval_bridge.report.evaluation.success import task_bars
from eval_bridge.report.evaluation.time_to_success import time_section
from eval_bridge.report.evaluation.timing import timing_section
from eval_bridge.report.page import flatten, render_template
from eval_bridge.report.titles import DECODER_TITLES, suite_title
from rsd_jax.atomic_files import write_atomically
from rsd_jax.stored_models.random_weights import RANDOM_WEIGHTS


def write_report(
    path: Path,
    summary: Summary,
    log: LogContents,
    config: Mapping[str, Any],
    comparisons: Sequence[Comparison] = (),
) -> None:
    """Writes the report; videos and traces are looked for beside it, as the log's records name them.

    Args:
        path: the HTML file.
        summary: the evaluation in numbers.
        log: its episodes.
        config: nested configuration, shown flattened.
        comparisons: of this evaluation with others (`eval_bridge.evaluation.comparison.compare`).

    Raises:
        OSError: it could not be written.
        ValueError: a video or a trace is damaged.
    """
    write_atomically(path, render_report(summary, log, config, path.parent, comparisons))


def render_report(
    summary: Summary,
    log: LogContents,
    config: Mapping[str, Any],
    folder: Path,
    comparisons: Sequence[Comparison] = (),
) -> str:
    """The report's HTML; `folder` is the one that the records' paths are relative to."""
    records = [log.episodes[key] for key in sorted(log.episodes)]
    analysis = analyse_traces(folder, records)
    films = make_films(records, folder)
    failures = failure_section(analysis, records, films)
    shown = [episode.film for group in failures.groups for episode in group.films] if failures else []
    phases = {key: phase for phase, keys in (analysis.phases() if analysis else {}).items() for key in keys}
    values = {
        "summary": summary,
        "random_weights": RANDOM_WEIGHTS.capitalize(),
        "suite_title": suite_title(summary.suite),
        "decoder_title": DECODER_TITLES.get(summary.decoder, summary.decoder),
        "records": records,
        "phase_of": lambda record: phases.get(EpisodeId(record.task_index, record.episode)),
        "median": median,  # Not the mean: the first chunk of a session compiles.
        "unresolved": [log.unresolved()[key] for key in sorted(log.unresolved())],
        "hero": make_hero(records, folder),
        "videos_are_embedded": all(film.source.startswith("data:") for film in films),
        "tasks": task_bars(summary),
        "speed": log.speeds[-1] if log.speeds else None,
        "comparisons": [comparison_section(comparison) for comparison in comparisons],
        "speculation": speculation_section(summary, records),
        "looks": looks_section(summary, records),
        "perturbed": perturbation_section(summary),
        "time_passed": timing_section(summary, records),
        "latency": latency_section(summary, log),
        "motion": motion_section(analysis),
        "time": time_section(summary, records),
        "failures": failures,
        "films": [film for film in films if film not in shown],
        "settings": flatten(config),
        "sessions": log.sessions,
        "identity": flatten(log.identity or {}),
    }
    return render_template("report.html", values)
