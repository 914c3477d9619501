"""Folders of finished evaluations, made by hand from their logs."""

from pathlib import Path

from eval_bridge.evaluation.episode_log import EpisodeLog, LogContents
from eval_bridge.evaluation.summary import summarise, write_summary
from rsd_jax.run_folder import LOG_NAME, SUMMARY_NAME


def write_evaluation(folder: Path, log: LogContents, planned: int | None = None) -> Path:
    """Log and summary of an evaluation that consists of `planned` episodes, by default of those in the log."""
    with EpisodeLog(folder / LOG_NAME, log.identity or {}) as file:
        for record in (*log.sessions, *filter(None, [log.profile, log.latency]), *log.episodes.values()):
            file.append(record)
    write_summary(folder / SUMMARY_NAME, summarise(log, planned or len(log.episodes)))
    return folder
