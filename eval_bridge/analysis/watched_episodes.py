"""Episodes that a cascade ran while the main model watched, and whether they are what they are taken for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.episodes.shadow import EpisodeShadow, load_shadow
from eval_bridge.episodes.trace import trace_name
from eval_bridge.evaluation.benchmarks import LiberoBenchmark
from eval_bridge.evaluation.episode_log import read_episode_log
from eval_bridge.evaluation.folder import PERTURBATION
from eval_bridge.evaluation.plan import EpisodeId
from eval_bridge.policies.cascade_decoder import CascadeDecoder
from eval_bridge.policies.decoders import read_decoder
from rsd_jax.checkpoints.stage_checkpoints import changed_stages
from rsd_jax.content_check import read_checked_json
from rsd_jax.run_folder import LOG_NAME, SHADOW_FOLDER, SUMMARY_NAME

_STARTS = ("simulator", "suite", "step_limit")
_LISTED = 5


class WatchedEpisodes(NamedTuple):
    """A complete evaluation by a watched cascade.

    Attributes:
        folder: of the evaluation.
        decoder: that acted.
        identity: of the evaluation's log.
        checkpoints: digests of what acted, by stage.
        episodes: which ones. shadows: of each, likewise.
    """

    folder: Path
    decoder: CascadeDecoder
    identity: Mapping[str, Any]
    checkpoints: Mapping[str, str]
    episodes: tuple[EpisodeId, ...]
    shadows: tuple[EpisodeShadow, ...]

    @property
    def calls(self) -> NDArray[np.int64]:
        """How many calls each episode has."""
        return np.array([len(shadow.looked) for shadow in self.shadows])


def read_watched(folder: Path, run_dir: Path) -> WatchedEpisodes:
    """Reads a watched evaluation.

    Args:
        folder: of the evaluation.
        run_dir: the run whose checkpoints must have acted.

    Raises:
        ValueError: there is none, it is not complete or its starts are for results alone, another decoder ran it, it
            was not watched, or other checkpoints acted; the message names what is to be done.
        CheckpointError: the run lacks a checkpoint.
    """
    log = read_episode_log(folder / LOG_NAME)
    identity = log.identity or {}
    decoder = read_decoder(identity.get("decoder", ""), identity.get("decoder_settings", ""))
    again = '--config.decoder=cascade and --config.decoder_settings="shadow=true ..."'
    if not isinstance(decoder, CascadeDecoder):
        raise ValueError(
            f"{folder} was run by decoder={identity['decoder']}, which drafts nothing: evaluate with {again}"
        )
    if not decoder.shadow:
        raise ValueError(f"{folder} was run with shadow=False, so that nobody watched: evaluate with {again}")
    if identity["simulator"] == LiberoBenchmark.simulator:
        raise ValueError(
            f"{folder} is of simulator={identity['simulator']}, whose starts are for results alone and nothing may be "
            "chosen by them: evaluate with --config.simulator=libero_development"
        )
    if PERTURBATION in identity:
        raise ValueError(
            f"{folder} was run with perturbation={identity[PERTURBATION]}: a threshold is fitted on the episodes that "
            "it is for, so evaluate without one"
        )
    summary = read_checked_json(folder / SUMMARY_NAME) if (folder / SUMMARY_NAME).is_file() else {"planned": "all"}
    if summary["planned"] != len(log.episodes):
        # Long episodes, which fail, end last: those that are there would not stand for all.
        raise ValueError(
            f"{folder} has {len(log.episodes)} of {summary['planned']} episodes: the same evaluation goes on with them"
        )
    episodes = tuple(sorted(log.episodes))
    paths = [folder / SHADOW_FOLDER / trace_name(*episode) for episode in episodes]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise ValueError(
            f"{folder / SHADOW_FOLDER} lacks {_listed(missing)}: copy them there, or evaluate again with {again}"
        )
    if different := changed_stages(run_dir, log.checkpoints):
        raise ValueError(
            f"{folder} was run with another {', '.join(different)} than {run_dir} has: move it away, and evaluate "
            "again what is there now"
        )
    return WatchedEpisodes(folder, decoder, identity, log.checkpoints, episodes, tuple(map(load_shadow, paths)))


def require_other_episodes(first: WatchedEpisodes, second: WatchedEpisodes) -> None:
    """Raises ValueError unless both have starts of one kind, and none in common."""
    for name in _STARTS:
        own, other = first.identity[name], second.identity[name]
        if own != other:
            raise ValueError(
                f"{second.folder} is of {name}={other}, and {first.folder} of {name}={own}: a risk that was fitted on "
                "one holds on episodes of the same kind"
            )
    if common := sorted(set(first.episodes) & set(second.episodes)):
        names = [f"task {task} episode {episode}" for task, episode in common]
        raise ValueError(
            f"{second.folder} has {len(common)} episodes in common with {first.folder} ({_listed(names)}): a "
            "threshold is checked on others than it was fitted on; evaluate them with --config.first_episode="
            f"{1 + max(episode for _, episode in first.episodes)}"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
