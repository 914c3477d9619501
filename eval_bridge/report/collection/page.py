"""``index.html`` beside a suite's demonstrations: what was collected, to look at before anything is trained on it."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eval_bridge.report.charts import Column
from eval_bridge.report.collection.statistics import Attempts, TaskStatistics, measure_task, read_pictures
from eval_bridge.report.page import data_url, flatten, render_template
from eval_bridge.report.titles import suite_title
from rsd_jax.actions.conventions import LIBERO
from rsd_jax.atomic_files import write_atomically
from rsd_jax.run_folder import suite_demo_paths

PAGE_NAME = "index.html"
_DIMENSIONS = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
_DEMOS, _FRAMES, _PICTURE_SIZE = 3, 6, 112
_STEP_BINS = 12
_COUNTED = frozenset({"attempts_made", "successes", "steps", "seconds", "failed_seeds", "suite", "task"})
_NARROWEST = 0.08  # Metres that a map of starts covers at least.
_TONES = ("accent", "warn", "other", "good")


class Dot(NamedTuple):
    """A place on a map, percent of its width and height."""

    x: float
    y: float


class Thing(NamedTuple):
    """A thing of the goal, its colour, and where it stood."""

    name: str
    tone: str
    dots: list[Dot]


class Map(NamedTuple):
    """Where things stood, seen from above and turned as the pictures show the table: near the camera is below.

    Attributes:
        things: of the goal. centimetres: edge length of the square that is shown.
    """

    things: list[Thing]
    centimetres: float


class Histogram(NamedTuple):
    """A histogram, and the values at its ends."""

    title: str
    columns: list[Column]
    low: str
    high: str
    note: str = ""


class TaskView(NamedTuple):
    """A task as the page shows it."""

    statistics: TaskStatistics
    pictures: list[list[str]]
    lengths: Histogram
    map: Map | None


class Totals(NamedTuple):
    """The suite in numbers; `attempts` is None unless every task has a summary."""

    demos: int
    steps: int
    minutes: float
    attempts: Attempts | None


def write_collection_page(folder: Path) -> Path:
    """Writes ``index.html`` about all ``*_demo.hdf5`` in `folder` and the summaries beside them; returns its path.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a demonstration file or a summary is damaged.
        OSError: the page cannot be written.
    """
    write_atomically(folder / PAGE_NAME, render_collection_page(folder))
    return folder / PAGE_NAME


def render_collection_page(folder: Path) -> str:
    """The page's HTML; see `write_collection_page`."""
    paths = suite_demo_paths(folder)
    if not paths:
        raise FileNotFoundError(f"no demonstrations (*_demo.hdf5) in {folder}; `python -m launch.collect` makes them")
    tasks = [_view(path) for path in paths]
    statistics = [task.statistics for task in tasks]
    values = {
        "suite_title": suite_title(folder.name),
        "tasks": tasks,
        "totals": _totals(statistics),
        "actions": _action_histograms(statistics),
        "provenance": _provenance(statistics),
    }
    return render_template("collection.html", values)


def _view(path: Path) -> TaskView:
    statistics = measure_task(path)
    pictures = [[_jpeg_url(picture) for picture in row] for row in read_pictures(path, _DEMOS, _FRAMES)]
    return TaskView(statistics, pictures, _length_histogram(statistics.steps), _map(statistics.starts))


def _totals(statistics: Sequence[TaskStatistics]) -> Totals:
    steps = sum(sum(task.steps) for task in statistics)
    attempts = [task.attempts for task in statistics if task.attempts is not None]
    together = Attempts(
        made=sum(each.made for each in attempts),
        successes=sum(each.successes for each in attempts),
        seconds=sum(each.seconds for each in attempts),
        failed=tuple(failed for each in attempts for failed in each.failed),
        refused_layouts={},
        refused_looks={},
        provenance={},
    )
    return Totals(
        demos=sum(len(task.steps) for task in statistics),
        steps=steps,
        minutes=steps / LIBERO.control_rate / 60,
        attempts=together if len(attempts) == len(statistics) else None,
    )


def _length_histogram(steps: Sequence[int]) -> Histogram:
    low, high = min(steps), max(steps)
    counts = np.histogram(steps, bins=_STEP_BINS, range=(low, max(high, low + _STEP_BINS)))[0]
    return Histogram("Steps", _columns(counts), str(low), str(max(high, low + _STEP_BINS)))


def _action_histograms(statistics: Sequence[TaskStatistics]) -> list[Histogram]:
    counts = np.sum([task.action_counts for task in statistics], axis=0)
    weights = [sum(task.steps) for task in statistics]
    saturated = np.average([task.saturated for task in statistics], axis=0, weights=weights)
    return [
        Histogram(
            name,
            _columns(row),
            "-1",
            "+1",
            "" if name == _DIMENSIONS[-1] else f"{100 * share:.1f} % at the limits",
        )
        for name, row, share in zip(_DIMENSIONS, counts, saturated, strict=True)
    ]


def _columns(counts: NDArray[np.integer]) -> list[Column]:
    highest = max(1, int(counts.max()))
    return [Column("", "", 100 * int(count) / highest) for count in counts]


def _map(starts: dict[str, NDArray[np.float64]]) -> Map | None:
    if not starts:
        return None
    every = np.concatenate(list(starts.values()))
    centre = (every.min(axis=0) + every.max(axis=0)) / 2
    edge = max(_NARROWEST, float(np.ptp(every, axis=0).max())) * 1.2
    things = [
        Thing(name, _TONES[index % len(_TONES)], [_dot((place - centre) / edge) for place in places])
        for index, (name, places) in enumerate(starts.items())
    ]
    return Map(things, 100 * edge)


def _dot(place: NDArray[np.float64]) -> Dot:
    """The world's x points from the robot to the camera, its y to the left of pictures as policies see them."""
    return Dot(50 - 100 * float(place[1]), 50 + 100 * float(place[0]))


def _provenance(statistics: Sequence[TaskStatistics]) -> list[tuple[str, str]]:
    """Everything that the summaries say besides counts; where tasks differ, all their values."""
    rows: dict[str, list[str]] = {}
    for task in statistics:
        if task.attempts is not None:
            rest: dict[str, Any] = {
                name: value for name, value in task.attempts.provenance.items() if name not in _COUNTED
            }
            for name, value in flatten(rest):
                rows.setdefault(name, []).append(value)
    return [(name, ", ".join(dict.fromkeys(values))) for name, values in rows.items()]


def _jpeg_url(picture: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    image = Image.fromarray(picture).resize((_PICTURE_SIZE, _PICTURE_SIZE), Image.Resampling.LANCZOS)
    image.save(buffer, "JPEG", quality=80)
    return data_url(buffer.getvalue(), "image/jpeg")
