"""What happened in an episode, step by step, in a small file: what analyses and reports are computed from afterwards.

Traces lie beside the episode log, ``traces/task02_episode003.npz``, plain arrays without pickled objects.
"""

import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.episodes.execution.interface import HELD
from rsd_jax.atomic_files import whole_file

_ARRAYS = {
    "actions": np.float32,
    "chunks": np.float32,
    "chunk_starts": np.int32,
    "eef_positions": np.float32,
    "eef_rotations": np.float32,
    "finger_openings": np.float32,
    "goal_holds": np.bool_,
    "item_positions": np.float32,
    "joint_positions": np.float32,
}
_SOURCES = "sources"
_TEXTS = ("goal", "item_names", "joint_names")


class TraceError(ValueError):
    """A trace that breaks a rule or a file that holds none; the message names the file, the field and the rule."""


class EpisodeTrace(NamedTuple):
    """One episode. T: steps taken, N: chunks, C: steps of a chunk, G: goals, I: items, J: joints.

    Observed quantities have T + 1 rows: before each action, and after the last one. The control rate is
    `rsd_jax.actions.conventions.LIBERO.control_rate`.

    Attributes:
        actions: as executed, ``float32 [T, 7]``, environment convention (gripper -1 open, +1 close).
        chunks: as the policy predicted them, ``float32 [N, C, 7]``; without `sources`, of each as many steps were
            executed as lie between its start and the next one's, which may be fewer than C.
        chunk_starts: step at which each chunk was decided, ``int32 [N]``, the first one 0.
        eef_positions: end effector, metres, ``float32 [T + 1, 3]``.
        eef_rotations: its orientation as axis-angle, radians, ``float32 [T + 1, 3]``.
        finger_openings: distance between the fingers, metres, ``float32 [T + 1]``.
        goal: predicates that have to hold together, such as ``(("on", "akita_black_bowl_1", "plate_1"),)``.
        goal_holds: which of them hold, ``bool [T + 1, G]``.
        item_names: movable things that the goal names.
        item_positions: their positions, metres, ``float32 [T + 1, I, 3]``.
        joint_names: things that the goal wants opened, closed or turned, as the goal names them.
        joint_positions: position of the joint that moves each of them, metres or radians, ``float32 [T + 1, J]``.
        sources: of an episode in which time passed, the chunk that each action is of, -1 where the robot held still,
            ``int32 [T]``; None where a chunk is executed from its start on, up to the next one's.
    """

    actions: NDArray[np.float32]
    chunks: NDArray[np.float32]
    chunk_starts: NDArray[np.int32]
    eef_positions: NDArray[np.float32]
    eef_rotations: NDArray[np.float32]
    finger_openings: NDArray[np.float32]
    goal: tuple[tuple[str, ...], ...]
    goal_holds: NDArray[np.bool_]
    item_names: tuple[str, ...]
    item_positions: NDArray[np.float32]
    joint_names: tuple[str, ...]
    joint_positions: NDArray[np.float32]
    sources: NDArray[np.int32] | None = None


def trace_name(task_index: int, episode: int) -> str:
    """Unique within a suite and sorted by task: ``task02_episode003.npz``."""
    return f"task{task_index:02d}_episode{episode:03d}.npz"


def save_trace(path: Path, trace: EpisodeTrace) -> Path:
    """Writes a trace whole or not at all, in place of an earlier one, and returns `path`.

    Raises:
        TraceError: a field has a wrong type or shape, or a value that is not finite.
        OSError: it could not be written.
    """
    _check(path, trace)
    content: dict[str, Any] = {name: getattr(trace, name) for name in _ARRAYS}
    content |= {name: np.array(json.dumps(getattr(trace, name))) for name in _TEXTS}
    if trace.sources is not None:
        content[_SOURCES] = trace.sources
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **content)
    return path


def load_trace(path: Path) -> EpisodeTrace:
    """Reads what `save_trace` wrote.

    Raises:
        TraceError: the file is damaged, lacks a field, or a field breaks a rule.
        FileNotFoundError: there is no such file.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            missing = sorted({*_ARRAYS, *_TEXTS} - set(file.files))
            if missing:
                raise TraceError(f"{path}: {missing[0]}: is missing; run the episode again.")
            fields: dict[str, Any] = {name: file[name] for name in (*_ARRAYS, _SOURCES) if name in file.files}
            fields |= {name: _names(path, name, str(file[name])) for name in _TEXTS}
    # What a damaged file raises depends on where it is damaged.
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        if isinstance(error, TraceError | FileNotFoundError):
            raise
        raise TraceError(f"{path}: file: is truncated or no trace ({error}); run the episode again.") from error
    trace = EpisodeTrace(**fields)
    _check(path, trace)
    return trace


def _names(path: Path, field: str, text: str) -> tuple[Any, ...]:
    """A tuple of names, or of tuples of names for the goal."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise TraceError(f"{path}: {field}: is no JSON ({error}); run the episode again.") from error
    return tuple(tuple(each) if isinstance(each, list) else each for each in value)


def _check(path: Path, trace: EpisodeTrace) -> None:
    """Raises `TraceError` unless every field has its type and shape and the chunks account for the actions."""
    steps, rows = len(trace.actions), len(trace.actions) + 1
    count, length = trace.chunks.shape[:2] if trace.chunks.ndim == 3 else (-1, -1)
    shapes: dict[str, tuple[int, ...]] = {
        "actions": (steps, 7),
        "chunks": (count, length, 7),
        "chunk_starts": (count,),
        "eef_positions": (rows, 3),
        "eef_rotations": (rows, 3),
        "finger_openings": (rows,),
        "goal_holds": (rows, len(trace.goal)),
        "item_positions": (rows, len(trace.item_names), 3),
        "joint_positions": (rows, len(trace.joint_names)),
    }
    for name, dtype in _ARRAYS.items():
        array = getattr(trace, name)
        if array.dtype != dtype or array.shape != shapes[name]:
            expected = f"{np.dtype(dtype)} {shapes[name]}"
            raise TraceError(f"{path}: {name}: is {array.dtype} {array.shape}; expected {expected}.")
        if np.issubdtype(dtype, np.floating) and not np.isfinite(array).all():
            raise TraceError(f"{path}: {name}: holds a value that is not finite.")
    if steps < 1:
        raise TraceError(f"{path}: actions: is empty; an episode has at least one step.")
    if trace.sources is not None:
        _check_sources(path, trace, trace.sources)
        return
    executed = np.diff(np.append(trace.chunk_starts, steps))
    if not count or trace.chunk_starts[0] != 0 or executed.min() < 1 or executed.max() > length:
        starts = trace.chunk_starts.tolist()
        raise TraceError(
            f"{path}: chunk_starts: is {starts}; expected 0 first, then rising by 1 to {length} up to {steps} steps."
        )


def _check_sources(path: Path, trace: EpisodeTrace, sources: NDArray[np.int32]) -> None:
    """Raises `TraceError` unless every action is of a chunk that was decided on by then, or of none."""
    steps, starts = len(trace.actions), trace.chunk_starts
    if not len(starts) or starts[0] != 0 or (np.diff(starts) < 1).any() or starts[-1] >= steps:
        raise TraceError(
            f"{path}: chunk_starts: is {starts.tolist()}; expected 0 first, then rising below {steps} steps."
        )
    if sources.dtype != np.int32 or sources.shape != (steps,):
        raise TraceError(f"{path}: sources: is {sources.dtype} {sources.shape}; expected int32 {(steps,)}.")
    decided = np.searchsorted(starts, np.arange(steps), side="right")
    if wrong := np.flatnonzero((sources < HELD) | (sources >= decided)).tolist():
        raise TraceError(
            f"{path}: sources: is {sources[wrong[0]]} at step {wrong[0]}; expected a chunk that was decided on by "
            f"then, 0 to {decided[wrong[0]] - 1}, or {HELD} where the robot held still."
        )
