"""Unites the parts of an evaluation that several hosts ran, into what one host would have written."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from eval_bridge.evaluation.episode_log import EpisodeLog, LogContents, read_episode_log
from eval_bridge.evaluation.plan import EpisodeId
from eval_bridge.evaluation.summary import Summary, summarise, write_summary
from rsd_jax.content_check import read_checked_json
from rsd_jax.run_folder import LOG_NAME, SHADOW_FOLDER, SHARD_FOLDER, SUMMARY_NAME, TRACE_FOLDER, VIDEO_FOLDER


def find_shards(output: Path) -> list[Path]:
    """The folders of all parts of the evaluation in `output`, in order.

    Raises:
        ValueError: there are none, some are missing, or there are parts of different divisions.
    """
    folder = output / SHARD_FOLDER
    names = sorted(path.name for path in folder.glob("*_of_*")) if folder.is_dir() else []
    counts = {name.split("_of_")[1] for name in names}
    if len(counts) != 1:
        found = ", ".join(names) or "nothing"
        raise ValueError(f"{folder} must hold the parts of one division (such as 0_of_2, 1_of_2); it holds {found}.")
    (count,) = counts
    expected = [f"{index}_of_{count}" for index in range(int(count))]
    missing = [name for name in expected if name not in names]
    if missing:
        raise ValueError(f"{folder} lacks {', '.join(missing)}; run those parts, or copy them there.")
    return [folder / name for name in expected]


def merge_evaluations(output: Path, shards: Sequence[Path]) -> tuple[Summary, tuple[EpisodeId, ...]]:
    """Writes the united log, traces, shadows, videos and summary into `output`; what is there already stays.

    Returns:
        The summary, and the episodes that it is about.

    Raises:
        ValueError: the parts are of different evaluations, damaged or not complete, or disagree about an episode.
        OSError: `output` cannot be written.
    """
    parts = [read_episode_log(shard / LOG_NAME) for shard in shards]
    planned = sum(map(_episodes_of_complete, shards))
    with EpisodeLog(output / LOG_NAME, parts[0].identity or {}) as log:
        for shard, part in zip(shards, parts, strict=True):
            if part.identity != log.contents.identity:
                raise ValueError(
                    f"{shard} is part of another evaluation: {part.identity}, not {log.contents.identity}."
                )
            _append(log, part)
            for folder in (TRACE_FOLDER, SHADOW_FOLDER, VIDEO_FOLDER):
                if (shard / folder).is_dir():
                    shutil.copytree(shard / folder, output / folder, dirs_exist_ok=True)
        summary = summarise(log.contents, planned)
        write_summary(output / SUMMARY_NAME, summary)
        episodes = tuple(log.contents.episodes)
    return summary, episodes


def _episodes_of_complete(shard: Path) -> int:
    """How many episodes a part consists of, if it has all of them; its summary appears when it ends."""
    path = shard / SUMMARY_NAME
    summary = read_checked_json(path) if path.is_file() else {}
    if not summary or summary["episodes"] != summary["planned"]:
        raise ValueError(f"{shard} is not complete; run its command again, which goes on where it stopped.")
    return int(summary["planned"])


def _append(log: EpisodeLog, part: LogContents) -> None:
    """Adds what the united log lacks, so that merging again after an interruption goes on."""
    if log.contents.episodes and part.profile != log.contents.profile:
        raise ValueError(
            f"parts draw delays from different profiles, one of them {part.profile}; give all the same file, "
            "--config.delay=PROFILE.json"
        )
    if part.profile is not None and log.contents.profile is None:
        log.append(part.profile)
    for session in part.sessions:
        if session not in log.contents.sessions:
            log.append(session)
    for error in part.errors:
        if error not in log.contents.errors:
            log.append(error)
    for episode, record in part.episodes.items():
        present = log.contents.episodes.get(episode)
        if present is None:
            log.append(record)
        elif present != record:
            raise ValueError(f"task {episode.task_index}, episode {episode.episode} has two different results.")
    for speed in part.speeds:
        if speed not in log.contents.speeds:
            log.append(speed)
    if part.latency is not None and log.contents.latency is None:
        log.append(part.latency)
