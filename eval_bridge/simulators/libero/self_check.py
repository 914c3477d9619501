"""Checks that the installed simulator is the one that policies were made for, and refuses to run on any other.

A wrong version, a mirrored frame or a reversed gripper raises no error: episodes run, and fail. Each check here
measures one such thing in the simulator itself.
"""

import importlib.metadata
import logging
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.check_result import CheckResult
from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.libero.environment import LiberoSimulator

_VERSIONS = {
    "mujoco": ((3, 2), "settles objects differently from 3.4 on"),
    "robosuite": ((1, 4), "has another interface"),
}

_STILL_STEPS, _MOVING_STEPS, _GRIPPER_STEPS = 8, 10, 12
_MIN_FINGER_TRAVEL = 0.03  # metres, of the 0.08 between open and closed
_BLOCK = 8  # pixels
# What changed: blocks whose mean changed by half as much as that of the one that changed most. In the first evaluation
# states of the 40 tasks that one is at the fingers and changes by 18 to 48 of 255, least where the camera stands far
# away; what lies far from them by up to 13.
_SHARE_OF_GREATEST_CHANGE = 0.5
_LEAST_CHANGE = 10  # of 255, mean of a block
_MAX_SPEED = 0.1  # metres per second, after settling
_ROCKING_STEPS = 3
# Metres, while settling. A right installation drops objects by up to 0.16 (what stands on a box is put high above),
# lifts boxes and bottles that LIBERO puts into the floor by up to 0.04, and lets things slide by up to 0.05: measured
# in the first evaluation states of every task of libero_spatial, _object, _goal, _10 and their variants, but for four
# of 560 in which things overlap and one of them flies 0.1 to 0.24 away.
_MAX_DROP, _MAX_RISE, _MAX_SLIDE = 0.20, 0.06, 0.08

_logger = logging.getLogger(__name__)


def check_simulator(
    simulator: LiberoSimulator, start: EpisodeStart, *, with_installation: bool = True
) -> list[CheckResult]:
    """Runs the checks; where versions are wrong, none that needs the simulator.

    Args:
        simulator: of the task that is about to run. It is left where the last check ended.
        start: a start of the task.
        with_installation: also check what is the same for every task: versions, gripper and images.

    Returns:
        The results, passed or not; see `eval_bridge.simulators.check_result.require_passed`.
    """
    results = []
    if with_installation:
        results.append(_timed("versions", check_versions))
        if not results[0].passed:
            return results
        results.append(_timed("gripper direction", partial(check_gripper, simulator, start)))
        results.append(_timed("image orientation", partial(check_images, simulator, start)))
    results.append(_timed(f"settling of {simulator.task}", partial(check_settling, simulator, start)))
    return results


def check_versions() -> tuple[bool, str]:
    """The major and minor versions of mujoco and robosuite are those that the suites were measured with."""
    is_right, found = True, []
    for package, (expected, otherwise) in _VERSIONS.items():
        version = importlib.metadata.version(package)
        found.append(f"{package} {version}")
        if tuple(int(part) for part in version.split(".")[:2]) != expected:
            is_right = False
            found[-1] += f" (expected {expected[0]}.{expected[1]}.*; another one {otherwise})"
    return is_right, ", ".join(found)


def check_gripper(simulator: LiberoSimulator, start: EpisodeStart) -> tuple[bool, str]:
    """-1 opens the gripper and +1 closes it, measured at the fingers."""
    simulator.begin(start)
    queries = simulator.queries
    opened = queries.finger_width()
    _repeat(simulator, _GRIPPER_STEPS, gripper=1.0)
    closed = queries.finger_width()
    _repeat(simulator, _GRIPPER_STEPS, gripper=-1.0)
    reopened = queries.finger_width()
    is_right = min(opened, reopened) - closed > _MIN_FINGER_TRAVEL
    widths = f"{opened:.3f} m after -1, {closed:.3f} m after +1, {reopened:.3f} m after -1"
    return is_right, widths if is_right else f"{widths}; +1 should close the gripper and -1 open it"


def check_images(simulator: LiberoSimulator, start: EpisodeStart) -> tuple[bool, str]:
    """Frames show the closing fingers where the cameras' geometry puts them, in LIBERO's upside-down convention.

    The gripper first moves sideways, so that a frame mirrored in either direction shows them elsewhere. In the wrist
    camera the fingers are symmetrical: there only up and down can be told apart.
    """
    simulator.begin(start)
    _repeat(simulator, _MOVING_STEPS, sideways=1.0)
    _repeat(simulator, _STILL_STEPS)
    cameras = simulator.cameras
    opened = {camera: simulator.render(camera) for camera in ("agentview", "wrist")}
    _repeat(simulator, _GRIPPER_STEPS, gripper=1.0)
    fingers = simulator.queries.eef_position()
    verdicts = []
    for camera, before in opened.items():
        expected = np.array(cameras.project(camera, fingers))
        seen = _centre_of_change(before, simulator.render(camera))
        verdicts.append((camera, *_orientation(seen, expected, ignore_columns=camera == "wrist")))
    detail = "; ".join(f"{camera} {orientation} (off by {pixels:.0f} px)" for camera, orientation, pixels in verdicts)
    return all(orientation == "as expected" for _, orientation, _ in verdicts), detail


def check_settling(simulator: LiberoSimulator, start: EpisodeStart) -> tuple[bool, str]:
    """After the settle steps every object lies still on something, about where it was put."""
    simulator.begin(start)
    queries, wrong = simulator.queries, []
    before = queries.positions_in(start.state)
    for name in queries.object_names:
        moved = queries.pose(name).position - before[name]
        slide = float(np.linalg.norm(moved[:2]))
        if queries.speed(name) > _MAX_SPEED:
            wrong.append(f"{name} still moves at {queries.speed(name):.2f} m/s")
        elif not -_MAX_DROP < moved[2] < _MAX_RISE or slide > _MAX_SLIDE:
            wrong.append(f"{name} moved by {slide:.2f} m sideways and {moved[2]:+.2f} m upwards")
    wrong += [f"{name} touches nothing" for name in _floating(simulator)]
    return not wrong, "; ".join(wrong) or f"{len(queries.object_names)} objects lie still"


def _floating(simulator: LiberoSimulator) -> list[str]:
    """Objects that touch nothing now nor in the next steps: one that rocks at rest may do so for a moment."""
    floating = [name for name in simulator.queries.object_names if not simulator.queries.is_supported(name)]
    for _ in range(_ROCKING_STEPS):
        if not floating:
            break
        _repeat(simulator, 1)
        floating = [name for name in floating if not simulator.queries.is_supported(name)]
    return floating


def _timed(name: str, check: Callable[[], tuple[bool, str]]) -> CheckResult:
    began = time.perf_counter()
    passed, detail = check()
    result = CheckResult(name, passed, detail, time.perf_counter() - began)
    _logger.info("self-check, %s: %s (%s)", name, "passed" if passed else "FAILED", detail)
    return result


def _repeat(simulator: LiberoSimulator, steps: int, sideways: float = 0.0, gripper: float = -1.0) -> None:
    for _ in range(steps):
        simulator.step(np.array([0.0, sideways, 0.0, 0.0, 0.0, 0.0, gripper], np.float32))


def _centre_of_change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean row and column of what changed most, in pixels, ``[2]``; NaN if nothing changed much.

    Compares means of small blocks: where the camera only trembles, a textured surface keeps its mean.
    """
    size = len(before) // _BLOCK
    blocks = [
        frame.astype(np.float64).reshape(size, _BLOCK, size, _BLOCK, 3).mean(axis=(1, 3)) for frame in (before, after)
    ]
    change = np.abs(blocks[1] - blocks[0]).max(axis=-1)
    places = np.argwhere(change > max(_LEAST_CHANGE, _SHARE_OF_GREATEST_CHANGE * change.max()))
    return (places.mean(axis=0) + 0.5) * _BLOCK - 0.5 if len(places) else np.full(2, np.nan)


def _orientation(seen: NDArray[np.float64], expected: NDArray[np.float64], ignore_columns: bool) -> tuple[str, float]:
    """Names the flip under which what was seen is nearest to what was expected, and how far off it is."""
    if np.isnan(seen).any():
        return "without the gripper in it", float("nan")
    rows, columns = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    flips = {"as expected": 0 * rows, "upside-down": rows}
    if not ignore_columns:
        flips |= {"mirrored": columns, "rotated by 180 degrees": rows + columns}
    weights = rows if ignore_columns else rows + columns
    last = 255
    distances = {
        name: float(np.linalg.norm(weights * (np.where(flip == 1, last - seen, seen) - expected)))
        for name, flip in flips.items()
    }
    nearest = min(distances, key=lambda name: distances[name])
    return nearest, distances[nearest]
