"""Everything that is told from one episode's trace."""

from typing import NamedTuple

from eval_bridge.analysis.chunk_borders import ChunkBorders, measure_chunk_borders
from eval_bridge.analysis.failure_phases import GoalFailure, Phase, classify_failures, furthest
from eval_bridge.analysis.gripper_events import GripperEvent, find_gripper_events
from eval_bridge.analysis.holding import Hold, find_holds
from eval_bridge.analysis.smoothness import Smoothness, measure_smoothness
from eval_bridge.episodes.trace import EpisodeTrace


class EpisodeAnalysis(NamedTuple):
    """One episode; its parts explain themselves. `failures` is empty for a success."""

    success: bool
    steps: int
    smoothness: Smoothness | None
    borders: ChunkBorders
    gripper: tuple[GripperEvent, ...]
    holds: tuple[Hold, ...]
    failures: tuple[GoalFailure, ...]

    @property
    def failure(self) -> GoalFailure | None:
        """What the episode failed at; None for a success."""
        if self.success:
            return None
        unexplained = GoalFailure((), Phase.UNKNOWN, "no condition of the goal is left open in the trace")
        return furthest(self.failures) or unexplained


def analyse(trace: EpisodeTrace, success: bool) -> EpisodeAnalysis:
    """Analyses an episode of which the simulator said that it is a success or not."""
    events, holds = find_gripper_events(trace), find_holds(trace)
    return EpisodeAnalysis(
        success=success,
        steps=len(trace.actions),
        smoothness=measure_smoothness(trace),
        borders=measure_chunk_borders(trace),
        gripper=events,
        holds=holds,
        failures=() if success else classify_failures(trace, events, holds),
    )
