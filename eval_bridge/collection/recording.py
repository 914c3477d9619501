"""Records one episode of an expert as a demonstration."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from eval_bridge.experts.noise import ActionNoise, NoiseSettings
from eval_bridge.experts.scripted_expert import ExpertFailed
from eval_bridge.experts.smooth_motion import MotionLimits, smooth
from eval_bridge.experts.style import StyleSettings, draw_style, style_generator
from eval_bridge.experts.style_record import StyleRecord
from eval_bridge.simulators.interface import DrawnStart, EpisodeStart, Simulator
from eval_bridge.simulators.libero.layout.settings import LayoutSettings
from eval_bridge.simulators.libero.looks.settings import LooksSettings
from rsd_jax.demos.demo import Demo, DemoFrames, DemoStart
from rsd_jax.demos.frames import STORED_SIZE, to_size

SOLVED_BEFORE = "the goal held before the expert took over"
"""Why there is no demonstration where a policy needed no correction."""

NO_LAYOUT = "every layout that was drawn was refused"
"""Why there is no demonstration where the scene could not be laid out; the reasons are in the attempt's layout."""

_NOISE_STREAM = 1  # apart from what the simulator draws from the same seed, and from its style


class RecordableSimulator(Simulator, Protocol):
    """A simulator whose states and scene can be stored."""

    def state(self) -> NDArray[np.float64]:
        """The flattened simulator state ``[S]``."""
        ...

    def model_xml(self) -> str:
        """The compiled scene, for the file's provenance."""
        ...


_Simulator = TypeVar("_Simulator", bound=RecordableSimulator)

Expert = Callable[[_Simulator, StyleRecord], Iterator[NDArray[np.float32]]]
"""Yields clean actions ``[7]`` for the simulator's present state, in the style asked for, and notes how it went; the
caller executes each action before it asks again."""

DrawStart = Callable[[_Simulator, int, LayoutSettings], DrawnStart]
"""Draws the start of an episode from its seed, in a layout as far as the settings say."""

AddLooks = Callable[[_Simulator, EpisodeStart, int, LooksSettings], EpisodeStart]
"""Gives the start of an episode looks of its own, from its seed, as far as the settings say."""

Lead = Callable[[_Simulator], Iterator[NDArray[np.float32]]]
"""Yields actions ``[7]`` of whoever acts before the expert, for the simulator's present state, until it takes over."""


@dataclass(frozen=True)
class RecordingSettings:
    """How episodes are recorded.

    Attributes:
        step_limit: steps after which an episode counts as failed.
        steps_after_success: steps for which the goal must go on holding, recorded too: a demonstration shows how to
            let go, and a goal that held only while the object fell or hung is not the end.
        noise: disturbances of the executed actions.
        images: whether the cameras' frames are recorded; they can be rendered later
            (`eval_bridge.collection.rendering`).
        style: what of the way in which episodes are done is drawn at random.
        motion: how fast the hand may speed up and brake.
        image_size: pixels a side of the recorded frames.
        layout: what of the scene's layout is drawn at random.
        looks: what of how things look is.
    """

    step_limit: int
    steps_after_success: int = 8
    noise: NoiseSettings = field(default_factory=NoiseSettings)
    images: bool = True
    style: StyleSettings = field(default_factory=StyleSettings)
    motion: MotionLimits = field(default_factory=MotionLimits)
    image_size: int = STORED_SIZE
    layout: LayoutSettings = field(default_factory=LayoutSettings)
    looks: LooksSettings = field(default_factory=LooksSettings)


class RecordedEpisode(NamedTuple):
    """A demonstration, how it was done (JSON values, see `StyleRecord.values`), and in which layout (`DrawnStart`).

    How things looked is told by the demonstration's start.
    """

    demo: Demo
    style: dict[str, Any]
    layout: dict[str, Any]


class FailedEpisode(NamedTuple):
    """An episode that is not kept: its number of steps, why, how it was done as far as it went, layout and looks."""

    steps: int
    reason: str
    style: dict[str, Any]
    layout: dict[str, Any]
    looks: Mapping[str, Any] | None = None


class _Step(NamedTuple):
    action: NDArray[np.float32]
    label: NDArray[np.float32]
    proprio: NDArray[np.float32]
    state: NDArray[np.float64]
    frames: DemoFrames | None


def own_start(simulator: Simulator, seed: int, layout: LayoutSettings) -> DrawnStart:
    """The start that the task's own reset draws.

    Raises:
        ValueError: a layout is asked for.
    """
    if layout.draws:
        raise ValueError(f"layout.probability={layout.probability}, but this task's scene has one layout; set it to 0")
    return DrawnStart(simulator.draw_start(seed), {})


def own_looks(simulator: Simulator, start: EpisodeStart, seed: int, looks: LooksSettings) -> EpisodeStart:
    """The start, with the looks of the task.

    Raises:
        ValueError: other looks are asked for.
    """
    if looks.draws:
        raise ValueError(f"looks.probability={looks.probability}, but this task's scene looks one way; set it to 0")
    return start


def record_episode(
    simulator: _Simulator,
    expert: Expert[_Simulator],
    settings: RecordingSettings,
    *,
    suite: str,
    task: str,
    seed: int,
    lead: Lead[_Simulator] | None = None,
    draw_start: DrawStart[_Simulator] = own_start,
    add_looks: AddLooks[_Simulator] = own_looks,
) -> RecordedEpisode | FailedEpisode:
    """Plays one episode from a random start and records it.

    What is recorded depends on `seed` alone: the start is the one that `draw_start` draws from it, and layout, looks,
    style and noise have generators of their own. Everything is observed before the action of its step.

    Args:
        simulator: the task.
        expert: whose actions are the labels.
        settings: how it is recorded; limits count the expert's steps.
        suite: name of the task's suite. task: its name. seed: of the episode.
        lead: a policy whose mistakes the expert corrects; it acts undisturbed until the expert takes over
            (`Demo.expert_from`).
        draw_start: draws the start. add_looks: says how it looks.

    Returns:
        The demonstration, or why there is none: no layout was found, the expert gave up, or stopped where the goal did
        not hold, or the limit came before the goal, or the goal before the expert.
    """
    start, layout = draw_start(simulator, seed, settings.layout)
    if start is None:
        return FailedEpisode(0, NO_LAYOUT, {}, layout)
    start = add_looks(simulator, start, seed, settings.looks)
    simulator.begin(start)
    noise = ActionNoise(settings.noise, np.random.default_rng([seed, _NOISE_STREAM]))
    style = StyleRecord(draw_style(settings.style, style_generator(seed), len(simulator.goal.predicates)))
    black = DemoFrames(*np.zeros((2, settings.image_size, settings.image_size, 3), np.uint8))
    steps: list[_Step] = []
    since_success: int | None = None
    is_solved = False

    def take(action: NDArray[np.float32], label: NDArray[np.float32], frames: DemoFrames | None) -> bool:
        steps.append(_Step(action, label, simulator.proprio(), simulator.state(), frames))
        return simulator.step(action)

    def failed(reason: str) -> FailedEpisode:
        return FailedEpisode(len(steps), reason, style.values(), layout, start.looks)

    for action in lead(simulator) if lead else ():
        if take(action, action, black if settings.images else None):
            return failed(SOLVED_BEFORE)
    expert_from = len(steps)
    step_limit = expert_from + settings.step_limit
    try:
        for label in smooth(expert(simulator, style), settings.motion, steps[-1].action if steps else None):
            frames = observe_frames(simulator, settings.image_size) if settings.images else None
            is_solved = take(noise.disturb(label), label, frames)
            if not is_solved:
                since_success = None
            elif since_success is None:
                since_success = len(steps)
            if since_success is not None and len(steps) - since_success >= settings.steps_after_success:
                break
            if since_success is None and len(steps) >= step_limit:
                return failed(f"the goal does not hold after {settings.step_limit} steps")
    except ExpertFailed as failure:
        return failed(str(failure))
    if not is_solved:
        return failed("the goal does not hold when the expert stops")
    demo = Demo(
        suite=suite,
        task=task,
        instruction=simulator.instruction,
        actions=np.stack([step.action for step in steps]),
        labels=np.stack([step.label for step in steps]),
        proprio=np.stack([step.proprio for step in steps]),
        agentview=np.stack([step.frames.agentview for step in steps if step.frames]) if settings.images else None,
        wrist=np.stack([step.frames.wrist for step in steps if step.frames]) if settings.images else None,
        states=np.stack([step.state for step in steps]),
        start=DemoStart(start.state, start.fixture_poses, start.looks),
        seed=seed,
        expert_from=expert_from,
    )
    return RecordedEpisode(demo, style.values(), layout)


def observe_frames(simulator: Simulator, size: int = STORED_SIZE) -> DemoFrames:
    """What both cameras see now, reduced to `size` pixels a side, ``uint8 [size, size, 3]`` each."""
    return DemoFrames(*(to_size(simulator.render(camera), size) for camera in ("agentview", "wrist")))
