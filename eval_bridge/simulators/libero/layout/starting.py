"""The start of an episode in a layout of its own, from its seed."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.interface import DrawnStart, EpisodeStart
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.layout.arrangement import Arrangement
from eval_bridge.simulators.libero.layout.checking import fault_of_settled, settled
from eval_bridge.simulators.libero.layout.drawing import Layout, Refused, draw_layout, draw_rule
from eval_bridge.simulators.libero.layout.measuring import measure_scene
from eval_bridge.simulators.libero.layout.settings import LayoutSettings
from eval_bridge.simulators.libero.strangers import far_pose
from eval_bridge.simulators.libero.task_streams import TaskStream, task_generator
from eval_bridge.simulators.libero.withheld import is_withheld

IsRefused = Callable[[Mapping[str, NDArray[np.float64]]], bool]
"""Whether a layout is withheld, by the positions ``[3]`` of all things and fixtures; what is taken away is far off."""

WITHHELD = "withheld"


def draw_start_in_layout(
    simulator: LiberoSimulator, seed: int, settings: LayoutSettings, is_refused: IsRefused | None = None
) -> DrawnStart:
    """Draws a start from a seed, in a layout of its own as far as `settings` say; `begin` must follow.

    What the simulator draws from the seed is the same with and without a layout: the arm, and what is not moved.

    Args:
        simulator: the task.
        seed: of the episode.
        settings: what is random.
        is_refused: whether a layout may not be used; None for what is withheld for LIBERO-PRO (`is_withheld`).

    Returns:
        The start, None if every draw was refused, and its layout: ``rule``, ``exchanged``, ``moved`` (name -> x, y, z
        and turn), ``removed``, ``strangers`` that are there, and ``refused`` (reason -> number of draws).

    Raises:
        ValueError: the seed is out of range.
    """
    start = simulator.draw_start(seed)
    generator = task_generator(seed, TaskStream.LAYOUT, simulator.suite, simulator.task)
    if not generator.random() < settings.probability:
        return DrawnStart(start, {})
    scene = measure_scene(simulator, start)
    simulator.begin(start)
    own = settled(simulator)
    if is_refused is None:
        is_refused = partial(is_withheld, simulator.suite, simulator.task)
    rule = draw_rule(generator, scene.roles, settings)
    refusals: Counter[str] = Counter()
    for _ in range(settings.most_draws):
        drawn = draw_layout(generator, scene, settings, rule)
        if isinstance(drawn, Refused):
            refusals[drawn.reason] += 1
            continue
        at = drawn.arrangement
        found = apply_layout(simulator, start, at)
        if is_refused(positions_of(simulator, found)):
            refusals[WITHHELD] += 1
            continue
        simulator.begin(found)
        intended = {name: _pose_of(at, name) for name in simulator.queries.object_names if name not in at.removed}
        fault = fault_of_settled(simulator.queries, settled(simulator), own, intended)
        if fault is None:
            return DrawnStart(found, _values(drawn, refusals))
        refusals[fault] += 1
    return DrawnStart(None, {"rule": rule, "refused": dict(refusals)})


def apply_layout(simulator: LiberoSimulator, start: EpisodeStart, at: Arrangement) -> EpisodeStart:
    """The start with everything where a layout has it; what it leaves alone keeps every bit."""
    things = simulator.queries.object_names
    poses = {name: _pose_of(at, name) for name in at.changed if name in things}
    for number, name in enumerate(sorted(at.removed)):
        body = at.scene.bodies[name]
        poses[name] = far_pose(body.quaternion, body.low[2], number)
    fixtures = {name: _pose_of(at, name) if name in at.changed else pose for name, pose in start.fixture_poses.items()}
    return start._replace(state=simulator.queries.state_with(start.state, poses), fixture_poses=fixtures)


def positions_of(simulator: LiberoSimulator, start: EpisodeStart) -> dict[str, NDArray[np.float64]]:
    """Where a start has the origins of all things and fixtures, ``[3]`` each."""
    poses = simulator.queries.poses_in(start.state) | start.fixture_poses
    return {name: pose[:3] for name, pose in poses.items()}


def _pose_of(at: Arrangement, name: str) -> NDArray[np.float64]:
    position, turn = at.places[name]
    return np.concatenate([position, _turned(at.scene.bodies[name].quaternion, turn)])


def _turned(quaternion: NDArray[np.float64], turn: float) -> NDArray[np.float64]:
    """A quaternion (w first) turned about the vertical."""
    if turn == 0.0:
        return quaternion
    cosine, sine = np.cos(turn / 2), np.sin(turn / 2)
    w, x, y, z = quaternion
    real, vertical = cosine * w - sine * z, cosine * z + sine * w
    return np.array([real, cosine * x - sine * y, cosine * y + sine * x, vertical])


def _values(drawn: Layout, refusals: Counter[str]) -> dict[str, Any]:
    at = drawn.arrangement
    moved = {
        name: [round(float(number), 4) for number in (*at.places[name].position, at.places[name].turn)]
        for name in sorted(at.changed)
    }
    return {
        "rule": drawn.rule,
        "exchanged": [list(pair) for pair in drawn.exchanges],
        "moved": moved,
        "removed": sorted(at.removed - at.scene.strangers),
        "strangers": sorted(at.scene.strangers - at.removed),
        "refused": dict(refusals),
    }
