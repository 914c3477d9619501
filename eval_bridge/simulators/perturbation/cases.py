"""LIBERO-Plus's cases of each task, and which of them an episode is run with.

LIBERO-Plus is a list of cases, each run once from the task's first evaluation state. Here every start has a case, so
that 50 starts of a task meet each of its cases once at least, and none more than once more than another.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.simulators.perturbation.choice import LEVELS, Perturbation

CASES_NAME = "libero_plus_cases.json"

_STOOD_IN_FOR = {"point_mass": "libero_spatial"}

_NOISES = ("motion blur", "Gaussian blur", "zoom blur", "fog", "glass blur")
NOISE_SEVERITIES = 10
STARTS_A_DISTANCE = 100


class Case(NamedTuple):
    """One of LIBERO-Plus's cases.

    Attributes:
        kind: of perturbation.
        values: its parameters, as LIBERO-Plus names it: of a camera the five of `camera_pose.CameraMove` with ``_``
            between them, of a robot's start the number of the posture, of noise its number.
        level: that LIBERO-Plus gives it.
    """

    kind: str
    values: str
    level: int

    @property
    def numbers(self) -> tuple[int, ...]:
        """The parameters."""
        return tuple(map(int, self.values.split("_")))

    @property
    def form(self) -> str:
        """What kind of camera move, distance of postures or noise it is, for a reader."""
        first = self.numbers[0] - 1
        if self.kind == "noise":
            return _NOISES[first // NOISE_SEVERITIES]
        if self.kind == "robot_start":
            return f"{(first // STARTS_A_DISTANCE + 1) / 10} rad"
        azimuth, elevation, distance, _, _ = self.numbers
        if distance != 100:
            return "farther away"
        if elevation:
            return "around and above"
        return "around" if azimuth else "turned"


def cases_of(suite: str, task: str, perturbation: Perturbation) -> tuple[Case, ...]:
    """LIBERO-Plus's cases of a task, in its order; variants of a suite have those of the suite.

    The point mass stands in for LIBERO in tests, and has the noise of the first task of libero_spatial.

    Raises:
        ValueError: LIBERO-Plus has no cases of the suite, or none of that level of the task; or the point mass is to
            have other cases than noise.
    """
    stored = _stored()
    if suite in _STOOD_IN_FOR and perturbation.kind != "noise":
        raise ValueError(f"perturbation={perturbation.name} moves what {suite} does not have: choose noise there")
    base = _STOOD_IN_FOR.get(suite) or get_suite(suite).base
    if base not in stored:
        raise ValueError(
            f"perturbation={perturbation.name} has no cases in {suite}: LIBERO-Plus has some of {', '.join(stored)}"
        )
    tasks = stored[base]
    by_level = (next(iter(tasks.values())) if suite in _STOOD_IN_FOR else tasks[task])[perturbation.kind]
    levels = LEVELS if perturbation.level is None else (perturbation.level,)
    cases = [
        Case(perturbation.kind, values, level) for level in levels for values in by_level.get(str(level), "").split()
    ]
    if not cases:
        raise ValueError(
            f"perturbation={perturbation.name} has no case of {task}: LIBERO-Plus gives its cases the levels "
            f"{', '.join(level for level in by_level)}. Leave the task out, or choose {perturbation.kind}"
        )
    return tuple(cases)


def draw_case(cases: tuple[Case, ...], seed: int, task_index: int, episode: int) -> Case:
    """The case of an episode: the task's cases in an order drawn from seed and task, over and over.

    LIBERO-Plus draws nothing, it runs each case once.

    Args:
        cases: of the task (`cases_of`).
        seed: of the evaluation.
        task_index, episode: which episode.
    """
    order = np.random.default_rng((seed, task_index)).permutation(len(cases))
    return cases[order[episode % len(cases)]]


class EpisodePerturbation(NamedTuple):
    """How an episode is perturbed: its case, and the seeds of what is random in it: evaluation, task, episode."""

    case: Case
    seeds: tuple[int, int, int]


def draw_perturbation(
    perturbation: Perturbation, suite: str, task: str, seed: int, task_index: int, episode: int
) -> EpisodePerturbation:
    """How an episode is perturbed; raises as `cases_of` does, which says what `suite` and `task` are."""
    case = draw_case(cases_of(suite, task, perturbation), seed, task_index, episode)
    return EpisodePerturbation(case, (seed, task_index, episode))


@cache
def _stored() -> Mapping[str, Mapping[str, Mapping[str, Mapping[str, str]]]]:
    """Suite -> task -> kind -> level -> values of its cases, with blanks between them."""
    cases: dict[str, dict[str, dict[str, dict[str, str]]]] = json.loads(
        (files("eval_bridge.simulators.perturbation") / CASES_NAME).read_text(encoding="utf-8")
    )["cases"]
    return cases
