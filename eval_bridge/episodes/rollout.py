"""One episode: a policy acts in a simulator, chunk by chunk, until the task is solved or the steps are used up."""

import time
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from eval_bridge.episodes.acceptance import EpisodeAcceptance, count_acceptance
from eval_bridge.episodes.execution.blocking import BLOCKING
from eval_bridge.episodes.execution.interface import HELD, Call, EpisodeExecution, Move
from eval_bridge.episodes.execution.timing import EpisodeTiming, timing_of
from eval_bridge.episodes.shadow import EpisodeShadow, shadow_of
from eval_bridge.episodes.trace import EpisodeTrace
from eval_bridge.observations import Observation
from eval_bridge.policies.interface import PolicyOutput, Promise
from eval_bridge.simulators.interface import EpisodeStart, Goal, Probe, Simulator
from rsd_jax.actions.conventions import upright


class Actor(Protocol):
    """Whoever decides on chunks: a policy, or a connection to one."""

    def act(self, observation: Observation, promise: Promise | None = None, /) -> PolicyOutput:
        """Decides on the next chunk, given what is promised of the last one."""
        ...


class VideoFrame(NamedTuple):
    """An upright camera frame ``uint8 [H, W, 3]`` and the number of steps taken when it was seen.

    Attributes:
        is_held: whether the robot held still in the step that follows, since nothing was left to execute.
    """

    image: NDArray[np.uint8]
    step: int
    is_held: bool = False


class ActionSummary(NamedTuple):
    """What the executed actions looked like: enough to spot a policy that stands still or saturates.

    Attributes:
        mean: by action dimension ``[7]``. std: likewise.
        saturated: share of motion commands at the limits, ``|a| >= 1``.
        gripper_switches: how often the gripper's command changed sign.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    saturated: float
    gripper_switches: int


class Rollout(NamedTuple):
    """How an episode went.

    Attributes:
        success: whether the task was solved within the limit.
        steps: actions executed, settling not counted.
        seconds: wall time after settling, to 0.1 ms: physics, rendering and the policy.
        rounds: passes of the main head, one number a chunk; its length is the number of chunks.
        chunk_seconds: how long the episode waited for each chunk, to 1 us; a shared policy may have been busy.
        acceptance: what became of the draft's tokens.
        actions: summary of the executed actions.
        looked: whether the main backbone was needed, one a chunk; empty where it always was.
        timing: what time did to it; None where it went as it goes when the clock stands still (`timing_of`).
    """

    success: bool
    steps: int
    seconds: float
    rounds: tuple[int, ...]
    chunk_seconds: tuple[float, ...]
    acceptance: EpisodeAcceptance
    actions: ActionSummary
    looked: tuple[bool, ...] = ()
    timing: EpisodeTiming | None = None

    @property
    def skipped(self) -> int:
        """Chunks for which the main backbone was not needed."""
        return len(self.looked) - sum(self.looked)


class Recording(NamedTuple):
    """An episode step by step, its video's `frames`, which are empty unless asked for, and a cascade's `shadow`."""

    trace: EpisodeTrace
    frames: tuple[VideoFrame, ...]
    shadow: EpisodeShadow | None


class _Called(NamedTuple):
    """A call made at `step`: its delay in steps, its answer, the chunk in it, and how long the episode waited."""

    step: int
    delay: int
    output: PolicyOutput
    chunk: NDArray[np.float32]
    seconds: float


def run_episode(
    simulator: Simulator,
    actor: Actor,
    start: EpisodeStart,
    step_limit: int,
    video_stride: int | None = None,
    execution: EpisodeExecution | None = None,
) -> tuple[Rollout, Recording]:
    """Runs one episode by OpenVLA-OFT's protocol: settle, then execute every chunk open loop, or as `execution` says.

    Cameras render once a chunk for the policy, and between chunks only for the video.

    Args:
        simulator: the task; left where the episode ended.
        actor: asked for a new chunk when `execution` says so.
        start: where the episode starts.
        step_limit: actions, held steps included, after which an unsolved episode has failed
            (`eval_bridge.simulators.libero.suites`).
        video_stride: keep a video frame every so many steps; None keeps none.
        execution: of this episode; None for `Blocking`, which asks when the last chunk is used up.

    Raises:
        ValueError: a limit or stride below 1, or a chunk that is not finite or has another shape than [C, 7],
            with the same C at every call.
    """
    if step_limit < 1:
        raise ValueError(f"step_limit={step_limit} must be at least 1.")
    if video_stride is not None and video_stride < 1:
        raise ValueError(f"video_stride={video_stride} must be at least 1, or None for no video.")
    execution = BLOCKING.begin(()) if execution is None else execution
    simulator.begin(start)
    started = time.perf_counter()
    calls: list[_Called] = []
    moves: list[Move] = []
    probes = [simulator.probe()]
    frames: list[VideoFrame] = []
    success = False
    while not success and len(moves) < step_limit:
        step = len(moves)
        call = execution.call(step)
        if call is not None:
            observation = simulator.observe()
            if video_stride is not None:
                frames.append(VideoFrame(upright(observation.agentview), step))
            calls.append(_ask(actor, observation, step, call))
            _require_as_long(calls[-1].chunk, calls[0].chunk)
            execution.answer(step, calls[-1].chunk)
        # A step with a call needs no frame of its own: the policy renders there anyway.
        elif video_stride is not None and (step - calls[-1].step) % video_stride == 0:
            frames.append(VideoFrame(upright(simulator.render("agentview")), step))
        moves.append(execution.move(step))
        if moves[-1].source == HELD and frames and frames[-1].step == step:
            frames[-1] = frames[-1]._replace(is_held=True)
        success = simulator.step(moves[-1].action)
        probes.append(simulator.probe())
    if video_stride is not None and frames[-1].step != len(moves):
        frames.append(VideoFrame(upright(simulator.render("agentview")), len(moves)))
    outputs, chunks = [call.output for call in calls], np.stack([call.chunk for call in calls])
    actions, sources = np.stack([move.action for move in moves]), [move.source for move in moves]
    starts = [call.step for call in calls]
    timing = timing_of([call.delay for call in calls], starts, sources, chunks.shape[1])
    rollout = Rollout(
        success=success,
        steps=len(moves),
        seconds=round(time.perf_counter() - started, 4),
        rounds=tuple(int(output.rounds) for output in outputs),
        chunk_seconds=tuple(round(call.seconds, 6) for call in calls),
        acceptance=count_acceptance(outputs),
        actions=summarise_actions(actions),
        looked=() if all(output.looked for output in outputs) else tuple(output.looked for output in outputs),
        timing=timing,
    )
    trace = _trace(simulator.goal, actions, chunks, np.array(starts, np.int32), probes)
    if timing is not None:
        trace = trace._replace(sources=np.array(sources, np.int32))
    return rollout, Recording(trace, tuple(frames), shadow_of(outputs))


def summarise_actions(actions: NDArray[np.float32]) -> ActionSummary:
    """Summary of executed `actions` ``[T, 7]``, environment convention."""
    motion, gripper = actions[:, :-1], actions[:, -1]
    return ActionSummary(
        mean=tuple(round(float(value), 5) for value in actions.mean(axis=0)),
        std=tuple(round(float(value), 5) for value in actions.std(axis=0)),
        saturated=round(float(np.mean(np.abs(motion) >= 1.0)), 5),
        gripper_switches=int(np.count_nonzero(np.diff(np.sign(gripper)))),
    )


def _ask(actor: Actor, observation: Observation, step: int, call: Call) -> _Called:
    asked = time.perf_counter()
    output = actor.act(observation) if call.promise is None else actor.act(observation, call.promise)
    seconds = time.perf_counter() - asked
    return _Called(step, call.delay, output, _checked_chunk(output), seconds)


def _trace(
    goal: Goal,
    actions: NDArray[np.float32],
    chunks: NDArray[np.float32],
    chunk_starts: NDArray[np.int32],
    probes: list[Probe],
) -> EpisodeTrace:
    return EpisodeTrace(
        actions=actions,
        chunks=chunks,
        chunk_starts=chunk_starts,
        eef_positions=np.stack([probe.eef_position for probe in probes]).astype(np.float32),
        eef_rotations=np.stack([probe.eef_rotation for probe in probes]).astype(np.float32),
        finger_openings=np.array([probe.finger_opening for probe in probes], np.float32),
        goal=goal.predicates,
        goal_holds=np.array([probe.goal_holds for probe in probes], bool),
        item_names=goal.items,
        item_positions=np.stack([probe.item_positions for probe in probes]).astype(np.float32),
        joint_names=goal.joints,
        joint_positions=np.stack([probe.joint_positions for probe in probes]).astype(np.float32),
    )


def _require_as_long(chunk: NDArray[np.float32], first: NDArray[np.float32]) -> None:
    """Ages of actions, and their places in traces, count by one length of chunks."""
    if len(chunk) != len(first):
        raise ValueError(
            f"the policy gave a chunk of {len(chunk)} actions after one of {len(first)}; give the same number at "
            "every call, or declare conventions.actions_executed of a server whose chunks differ"
        )


def _checked_chunk(output: PolicyOutput) -> NDArray[np.float32]:
    """The chunk, if a simulator can execute it; a NaN would silently freeze or explode the robot."""
    actions = np.asarray(output.actions, np.float32)
    if actions.ndim != 2 or actions.shape[0] < 1 or actions.shape[1] != 7:
        raise ValueError(f"the policy's actions have shape {actions.shape}; a chunk is [C, 7] with C >= 1.")
    if not np.isfinite(actions).all():
        raise ValueError("the policy's actions are not finite; its checkpoint or its preprocessing is broken.")
    return actions
