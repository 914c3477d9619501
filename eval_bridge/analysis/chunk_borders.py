"""What happens where one chunk of actions ends and the next begins.

Chunks are decided independently of each other, each from the observation at its start. Where consecutive ones do not
agree about what to do next, the command jumps. All differences are Euclidean lengths over the six motion dimensions,
in command units; the gripper, which switches by design, is counted apart.

What can be measured depends on how chunks are executed:

- *Jump*: the difference between consecutive commands, at borders against inside chunks. A policy that is fast has
  large differences inside chunks, too, so only their ratio says something about chunking.
- *Bend*: the difference between a command and the straight continuation of the two before it. Executing a whole chunk
  leaves nothing of its plan to compare with the next one; the continuation of its last two actions stands in for it.
- *Disagreement*: where chunks are longer than what is executed of them (C steps predicted, the first E executed), both
  the rest of a chunk and the start of the next one are plans for the same C - E steps, and their difference is the
  instability of the plan itself. It does not exist for chunks executed whole.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.episodes.trace import EpisodeTrace

_MOTION = slice(0, 6)
_GRIPPER = 6


class ChunkBorders(NamedTuple):
    """Chunk borders of an episode against the steps inside its chunks. None: there was nothing to measure.

    Attributes:
        borders: number of borders, one less than of chunks.
        border_jump, inside_jump: mean difference between consecutive commands.
        jump_by_position: the same by the later command's place in its chunk, C numbers; the first is the borders'.
        border_bend, inside_bend: mean difference between a command and the straight continuation of its predecessors.
        disagreement: mean difference between two plans for the same step, where chunks overlap.
        overlapping_steps: steps for which there were two plans.
        gripper_switches: changes of the gripper's command. switches_at_borders: those of them at a border.
    """

    borders: int
    border_jump: float | None
    inside_jump: float | None
    jump_by_position: tuple[float | None, ...]
    border_bend: float | None
    inside_bend: float | None
    disagreement: float | None
    overlapping_steps: int
    gripper_switches: int
    switches_at_borders: int

    @property
    def jump_ratio(self) -> float | None:
        """Jump at borders over jump inside chunks: 1 means that borders cannot be seen in the commands."""
        return self.border_jump / self.inside_jump if self.border_jump is not None and self.inside_jump else None


def measure_chunk_borders(trace: EpisodeTrace) -> ChunkBorders:
    """Jumps, bends and disagreements of an episode's chunks; see the module's text."""
    motion = trace.actions[:, _MOTION].astype(np.float64)
    places = _places_in_chunk(trace)
    at_border = places == 0
    jumps = _lengths(np.diff(motion, axis=0))
    bends = _lengths(np.diff(motion, n=2, axis=0))
    # Only bends that lie in one chunk altogether are inside: the second step of a chunk continues across a border.
    inside_bend = places[2:] >= 2
    overlaps = _overlap_differences(trace)
    switches = np.diff(trace.actions[:, _GRIPPER] > 0)
    return ChunkBorders(
        borders=len(_first_steps(trace)) - 1,
        border_jump=_mean(jumps[at_border[1:]]),
        inside_jump=_mean(jumps[~at_border[1:]]),
        jump_by_position=tuple(_mean(jumps[places[1:] == place]) for place in range(trace.chunks.shape[1])),
        border_bend=_mean(bends[at_border[2:]]),
        inside_bend=_mean(bends[inside_bend]),
        disagreement=_mean(overlaps),
        overlapping_steps=len(overlaps),
        gripper_switches=int(switches.sum()),
        switches_at_borders=int((switches & at_border[1:]).sum()),
    )


def _first_steps(trace: EpisodeTrace) -> NDArray[np.int64]:
    """Steps at which another chunk begins to be executed, or, where time passed, the robot to hold still."""
    if trace.sources is None:
        return trace.chunk_starts.astype(np.int64)
    return np.flatnonzero(np.diff(trace.sources, prepend=trace.sources[0] - 1)).astype(np.int64)


def _places_in_chunk(trace: EpisodeTrace) -> NDArray[np.int64]:
    """Each step's place in what is executed of its chunk, ``[T]``."""
    steps, first = np.arange(len(trace.actions)), _first_steps(trace)
    return steps - first[np.searchsorted(first, steps, side="right") - 1]


def _overlap_differences(trace: EpisodeTrace) -> NDArray[np.float64]:
    """For every step planned by two consecutive chunks, the difference between both plans."""
    length = trace.chunks.shape[1]
    differences = [np.zeros(0)]
    for index, apart in enumerate(np.diff(trace.chunk_starts)):
        executed = min(apart, length)  # further apart they plan no step together
        rest = trace.chunks[index, executed:, _MOTION].astype(np.float64)
        again = trace.chunks[index + 1, : length - executed, _MOTION].astype(np.float64)
        differences.append(_lengths(again - rest))
    return np.concatenate(differences)


def _lengths(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(vectors, axis=-1), np.float64)


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if values.size else None
