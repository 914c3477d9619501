"""Point-mass tasks to collect, importable by worker processes."""

import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval_bridge.collection.recording import RecordingSettings
from eval_bridge.collection.worker import CollectionTask
from eval_bridge.experts.noise import NoiseSettings
from eval_bridge.experts.scripted_expert import ExpertFailed
from eval_bridge.experts.style import StyleSettings
from eval_bridge.experts.style_record import StyleRecord
from eval_bridge.simulators.interface import DrawnStart, EpisodeStart
from eval_bridge.simulators.libero.layout.settings import LayoutSettings
from eval_bridge.simulators.libero.looks.settings import LooksSettings
from eval_bridge.simulators.point_mass import PointMassSimulator, towards_ball
from rsd_jax.demos.libero_hdf5 import SceneDescription

STEP_LIMIT = 60
LAYOUTS = LayoutSettings(probability=1.0, exchange_probability=1.0)
LOOKS = LooksSettings(probability=1.0)


class RecordablePointMass(PointMassSimulator):
    """The point mass, with the seed of the present episode for experts that fail on some."""

    seed = -1

    def draw_start(self, seed: int) -> EpisodeStart:
        self.seed = seed
        return super().draw_start(seed)

    def model_xml(self) -> str:
        return "<mujoco/>"


def start_in_layout(simulator: RecordablePointMass, seed: int, settings: LayoutSettings) -> DrawnStart:
    """Odd seeds have no layout; the others have one of which two were refused."""
    start = simulator.draw_start(seed)
    if not settings.draws:
        return DrawnStart(start, {})
    refused = {"refused": {"two things overlap": 2}}
    return DrawnStart(None, refused) if seed % 2 else DrawnStart(start, {"rule": "free", **refused})


def start_with_looks(
    simulator: RecordablePointMass, start: EpisodeStart, seed: int, settings: LooksSettings
) -> EpisodeStart:
    """Every seed has looks of its own, of which as many were refused as the seed says."""
    return start._replace(looks={"hue": seed, "refused": {"withheld colour": seed}}) if settings.draws else start


def expert(simulator: RecordablePointMass, style: StyleRecord | None = None) -> Iterator[NDArray[np.float32]]:
    while True:
        yield towards_ball(simulator)


def expert_that_fails_on_odd_seeds(
    simulator: RecordablePointMass, style: StyleRecord
) -> Iterator[NDArray[np.float32]]:
    if simulator.seed % 2:
        raise ExpertFailed("odd seeds are too hard")
    yield from expert(simulator)


def expert_with_style(simulator: RecordablePointMass, style: StyleRecord) -> Iterator[NDArray[np.float32]]:
    """Notes that it could not come from the side that was asked for."""
    style.note("grasp ball", "left", "" if style.style.side == 90.0 else "there is no grasp there")
    yield from expert(simulator)


def expert_that_always_fails(simulator: RecordablePointMass, style: StyleRecord) -> Iterator[NDArray[np.float32]]:
    yield towards_ball(simulator)
    raise ExpertFailed("too hard")


def expert_that_tells_its_device(simulator: RecordablePointMass, style: StyleRecord) -> Iterator[NDArray[np.float32]]:
    yield towards_ball(simulator)
    raise ExpertFailed(os.environ["MUJOCO_EGL_DEVICE_ID"])


def expert_that_crashes(simulator: RecordablePointMass, style: StyleRecord) -> Iterator[NDArray[np.float32]]:
    yield towards_ball(simulator)
    raise ZeroDivisionError("the bug of seed " + str(simulator.seed))


def expert_that_dies(
    folder: Path, times: int, simulator: RecordablePointMass, style: StyleRecord
) -> Iterator[NDArray[np.float32]]:
    """Takes its process with it, `times` times in all, which files in `folder` count."""
    yield towards_ball(simulator)
    for number in range(times):
        try:
            (folder / f"died_{times}_{number}").touch(exist_ok=False)
        except FileExistsError:
            continue
        os._exit(9)
    yield from expert(simulator)


def expert_that_hangs_on_seed_2(simulator: RecordablePointMass, style: StyleRecord) -> Iterator[NDArray[np.float32]]:
    if simulator.seed == 2:
        time.sleep(600)
    yield from expert(simulator)


def describe_scene() -> SceneDescription:
    return SceneDescription(env_name="PointMass")


def point_mass_task(
    solve=expert,
    noise: float = 0.2,
    images: bool = True,
    name: str = "close_on_ball",
    style: StyleSettings | None = None,
    layout: LayoutSettings | None = None,
    looks: LooksSettings | None = None,
) -> CollectionTask[RecordablePointMass]:
    recording = RecordingSettings(STEP_LIMIT, 0, NoiseSettings(noise), images, style or StyleSettings())
    recording = dataclasses.replace(recording, layout=layout or LayoutSettings(), looks=looks or LooksSettings())
    draw = ({"draw_start": start_in_layout} if layout else {}) | ({"add_looks": start_with_looks} if looks else {})
    return CollectionTask("point_mass", name, RecordablePointMass, solve, describe_scene, recording, **draw)
