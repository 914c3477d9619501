"""A demonstration file and the summary beside it in numbers, read without decoding its images."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from eval_bridge.report.collection.demo_scene import goal_names, item_addresses, positions_at
from eval_bridge.report.collection.layout_counts import LayoutCounts, count_layouts
from eval_bridge.report.collection.look_counts import LookCounts, count_looks
from rsd_jax.actions.conventions import upright
from rsd_jax.content_check import read_checked_json
from rsd_jax.demos.libero_hdf5.files import episode_names, naming_damage, opened
from rsd_jax.demos.libero_hdf5.layout import FRAME_KEYS
from rsd_jax.demos.libero_hdf5.stored_episode import StoredEpisode

BINS = 20
"""Bins of an action dimension's histogram, over [-1, 1]."""


_NUMBER = re.compile(r"\d+\.\d+")
"""Of a reason: reasons that differ in it alone count as one."""


class FailedAttempt(NamedTuple):
    """An attempt that gave no demonstration."""

    seed: int
    steps: int
    reason: str


class Attempts(NamedTuple):
    """What collecting one task took.

    Attributes:
        made: all attempts. successes: of these. seconds: of all of them together, each on its worker.
        failed: in the order of their seeds.
        refused_layouts, refused_looks: why they were drawn again -> how often.
        provenance: everything else in the summary, JSON values.
    """

    made: int
    successes: int
    seconds: float
    failed: tuple[FailedAttempt, ...]
    refused_layouts: Mapping[str, int]
    refused_looks: Mapping[str, int]
    provenance: Mapping[str, Any]


class StyleCounts(NamedTuple):
    """In what ways a part of a task was done, over its demonstrations.

    Attributes:
        part: of an episode, such as ``"grasp bowl_1"``.
        kinds: kind of way -> number of demonstrations, the most frequent first.
        departures: why it was not done as the episode's style asked for -> number of demonstrations.
    """

    part: str
    kinds: dict[str, int]
    departures: dict[str, int]


class TaskStatistics(NamedTuple):
    """The demonstrations of one task.

    Attributes:
        task, instruction: which; several wordings of the instruction stand one behind the other.
        steps: of each demonstration.
        action_counts: how many actions lie in each bin, ``int [7, BINS]``. saturated: share at the limits, ``[7]``.
        starts: thing that the goal names -> where it stood in each demonstration, metres, ``float64 [N, 2]``.
        has_images: whether all demonstrations have them.
        styles: by part; empty where nothing of how an episode is done was drawn at random.
        layouts: in which layouts; None if all begin in the task's own. looks: likewise.
        attempts: None without a summary.
    """

    task: str
    instruction: str
    steps: tuple[int, ...]
    action_counts: NDArray[np.int64]
    saturated: NDArray[np.float64]
    starts: dict[str, NDArray[np.float64]]
    has_images: bool
    styles: tuple[StyleCounts, ...]
    layouts: LayoutCounts | None
    looks: LookCounts | None
    attempts: Attempts | None


def measure_task(path: Path) -> TaskStatistics:
    """Statistics of a demonstration file; its summary, if there is one, has the same name and ends in ``.json``.

    Raises:
        DemoFileError: the file is damaged, or holds no demonstration.
        ValueError: the summary is damaged.
    """
    with opened(path) as file, naming_damage(path):
        data = file["data"]
        stored = [StoredEpisode(path, data, name) for name in episode_names(path, file)]
        episodes = [episode.group for episode in stored]
        actions = [np.asarray(episode.array("actions"), np.float64) for episode in stored]
        task = stored[0].task
        instructions = dict.fromkeys(episode.instruction for episode in stored)
        starts = _starts(str(data.attrs.get("bddl_file_content", "")), episodes)
        styles = count_styles([episode.json("style") for episode in stored])
        layouts, looks = ([episode.json(name) for episode in stored] for name in ("layout", "looks"))
        has_images = all(FRAME_KEYS[0] in episode for episode in episodes)
    attempts = _read_attempts(path.with_suffix(".json"))
    every = np.clip(np.concatenate(actions), -1, 1)
    edges = np.linspace(-1, 1, BINS + 1)
    return TaskStatistics(
        task=task,
        instruction=" / ".join(instructions),
        steps=tuple(len(each) for each in actions),
        action_counts=np.stack([np.histogram(column, edges)[0] for column in every.T]),
        saturated=np.asarray((np.abs(every) >= 1).mean(axis=0)),
        starts=starts,
        has_images=has_images,
        styles=styles,
        layouts=count_layouts(layouts, {} if attempts is None else attempts.refused_layouts),
        looks=count_looks(looks, {} if attempts is None else attempts.refused_looks),
        attempts=attempts,
    )


def read_pictures(path: Path, demos: int, frames: int) -> list[list[NDArray[np.uint8]]]:
    """Upright agentview frames ``uint8 [H, W, 3]``, evenly spaced in time, of evenly spaced demonstrations.

    Only what is shown is read. Demonstrations without images are left out; of those that correct a policy the expert's
    part is shown.

    Args:
        path: the demonstration file.
        demos: how many demonstrations at most.
        frames: how many frames of each at most.

    Raises:
        DemoFileError: the file is damaged.
    """
    with opened(path) as file, naming_damage(path):
        episodes = [file["data"][name] for name in episode_names(path, file)]
        episodes = [episode for episode in episodes if FRAME_KEYS[0] in episode]
        return [_pictures_of(episodes[demo], frames) for demo in _spread(len(episodes), demos)]


def _pictures_of(episode: h5py.Group, wanted: int) -> list[NDArray[np.uint8]]:
    view, first = episode[FRAME_KEYS[0]], int(episode.attrs.get("expert_from", 0))
    return [upright(np.asarray(view[first + index])) for index in _spread(len(view) - first, wanted)]


def count_styles(styles: Sequence[Mapping[str, Any]]) -> tuple[StyleCounts, ...]:
    """Counts of the demonstrations' styles, as `StyleRecord.values` gives them; parts in alphabetical order."""
    kinds: dict[str, Counter[str]] = {}
    departures: dict[str, Counter[str]] = {}
    for style in styles:
        for found, name in ((kinds, "kinds"), (departures, "departures")):
            for part, value in dict(style.get(name, {})).items():
                found.setdefault(str(part), Counter())[_NUMBER.sub("…", str(value))] += 1
    return tuple(
        StyleCounts(part, dict(kinds[part].most_common()), dict(departures.get(part, Counter()).most_common()))
        for part in sorted(kinds)
    )


def _spread(count: int, wanted: int) -> list[int]:
    """Indices, from the first of `count` to the last; at most `wanted`."""
    return sorted({round(index) for index in np.linspace(0, count - 1, min(count, wanted))})


def _starts(bddl: str, episodes: list[h5py.Group]) -> dict[str, NDArray[np.float64]]:
    """Where the goal's things stood; empty where the file does not tell."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    for episode in episodes:
        model_xml = episode.attrs.get("model_file", "")
        if not model_xml or "states" not in episode:
            return {}
        addresses = item_addresses(str(model_xml), goal_names(bddl))
        for name, position in positions_at(np.asarray(episode["states"][0], np.float64), addresses).items():
            found.setdefault(name, []).append(position[:2])
    return {name: np.stack(positions) for name, positions in found.items()}


def _read_attempts(path: Path) -> Attempts | None:
    if not path.is_file():
        return None
    try:
        summary = read_checked_json(path)
        attempts = summary.pop("attempts")
        failed = [each for each in attempts if not each["is_success"]]
        return Attempts(
            made=len(attempts),
            successes=len(attempts) - len(failed),
            seconds=float(sum(each["seconds"] for each in attempts)),
            failed=tuple(FailedAttempt(each["seed"], each["steps"], each["reason"]) for each in failed),
            refused_layouts=summary.pop("refused_layouts", {}),
            refused_looks=summary.pop("refused_looks", {}),
            provenance=summary,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no summary of a collection ({error!r}); move it away.") from error
