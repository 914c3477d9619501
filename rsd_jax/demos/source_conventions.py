"""What a source's images and actions mean, declared once, and the one way from there to a `Demo`.

Every reader hands what it found to `to_demo`, so that nothing behind it knows more than one convention.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsd_jax.actions.conventions import LIBERO, libero_gripper, upright
from rsd_jax.demos.demo import ACTION_SIZE, Demo, DemoFieldError, DemoStart
from rsd_jax.demos.frames import RENDER_SIZE, STORED_SIZE, to_stored_size

ImageOrientation = Literal["as_rendered", "upright"]
"""``as_rendered`` is upside-down, as LIBERO's cameras and HDF5 files have it; ``upright`` is turned by 180 degrees."""

GripperConvention = Literal["libero", "openvla", "open_zero", "open_one"]
"""A name of `GRIPPER_CONVENTIONS`."""

GRIPPER_CONVENTIONS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "libero": (LIBERO.gripper_open, LIBERO.gripper_closed),
        "openvla": (1.0, 0.0),
        "open_zero": (0.0, 1.0),
        "open_one": (1.0, -1.0),
    }
)
"""Name -> the gripper's action for opening, and for closing."""

_ORIENTATIONS = ("as_rendered", "upright")


@dataclass(frozen=True)
class ActionBounds:
    """How a source's actions were normalised to [-1, 1]: each dimension from [low, high].

    Attributes:
        low: by action dimension ``[7]``. high: likewise.
        mask: whether the dimension was normalised at all; OpenVLA leaves the gripper out.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    mask: tuple[bool, ...]

    def __post_init__(self) -> None:
        if not len(self.low) == len(self.high) == len(self.mask) == ACTION_SIZE:
            raise ValueError(f"bounds have {len(self.low)}, {len(self.high)} and {len(self.mask)} values; need 7 each")

    def denormalise(self, actions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Actions ``[T, 7]`` in the units that they had before they were normalised."""
        low, high = np.asarray(self.low), np.asarray(self.high)
        return np.where(self.mask, low + (actions + 1) / 2 * (high - low), actions)


def read_action_bounds(path: Path, key: str, kind: Literal["q01_q99", "min_max"]) -> ActionBounds:
    """Reads the bounds from a ``dataset_statistics.json`` as OpenVLA writes it.

    Args:
        path: the file.
        key: the dataset's name in it, e.g. ``libero_spatial_no_noops``.
        kind: the pair of statistics that the source was normalised by.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: `kind` is unknown, or the file does not hold these statistics.
    """
    pairs = {"q01_q99": ("q01", "q99"), "min_max": ("min", "max")}
    if kind not in pairs:
        raise ValueError(f"kind={kind!r} must be one of {', '.join(pairs)}")
    try:
        statistics = json.loads(Path(path).read_text(encoding="utf-8"))
        action = statistics[key]["action"]
        low, high = (tuple(map(float, action[name])) for name in pairs[kind])
        mask = tuple(map(bool, action.get("mask", (True,) * len(low))))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no {kind} statistics of the actions of {key!r} ({error!r})") from error
    return ActionBounds(low, high, mask)


@dataclass(frozen=True)
class SourceConventions:
    """What the numbers and pixels of a source mean.

    Attributes:
        image_orientation: how frames are stored.
        gripper_convention: what the gripper's action means, see `GRIPPER_CONVENTIONS`.
        normalisation: how actions were normalised; None if they were not.
        source_hz: actions a second at which the episodes were recorded, whatever rate the file is labelled with.
        kept_size: pixels a side of the frames that demonstrations are to have, `STORED_SIZE` or `RENDER_SIZE`; larger
            ones of the source are halved.

    Raises:
        ValueError: on construction, for an unknown name, another rate than LIBERO's, or another size.
    """

    image_orientation: ImageOrientation
    gripper_convention: GripperConvention
    normalisation: ActionBounds | None = None
    source_hz: float = LIBERO.control_rate
    kept_size: int = STORED_SIZE

    def __post_init__(self) -> None:
        if self.kept_size not in (STORED_SIZE, RENDER_SIZE):
            raise ValueError(f"kept_size={self.kept_size} must be {STORED_SIZE} or {RENDER_SIZE} pixels a side")
        if self.image_orientation not in _ORIENTATIONS:
            raise ValueError(
                f"image_orientation={self.image_orientation!r} must be one of {', '.join(map(repr, _ORIENTATIONS))}"
            )
        if self.gripper_convention not in GRIPPER_CONVENTIONS:
            meanings = ", ".join(
                f"{name!r} ({opened:g} open, {closed:g} closed)"
                for name, (opened, closed) in GRIPPER_CONVENTIONS.items()
            )
            raise ValueError(f"gripper_convention={self.gripper_convention!r} must be one of {meanings}")
        if self.source_hz != LIBERO.control_rate:
            raise ValueError(
                f"source_hz={self.source_hz:g}: demonstrations hold {LIBERO.control_rate:g} actions a second. Where "
                "only the label is wrong, as in published LeRobot builds of LIBERO whose 20 actions a second are "
                f"labelled 10, declare {LIBERO.control_rate:g}; otherwise resample the source first"
            )


AS_LIBERO_STORES = SourceConventions("as_rendered", "libero")
"""LIBERO's own HDF5 files, and their regeneration without no-ops."""

UPRIGHT_LIBERO = SourceConventions("upright", "libero")
"""The RLDS builds ``libero_*_no_noops`` and the LeRobot builds of LIBERO."""


class SourceEpisode(NamedTuple):
    """An episode as a reader found it, in its source's conventions.

    Attributes:
        suite: task suite. task: name of the task. instruction: of the episode.
        actions: executed actions ``[T, 7]``, any float type.
        labels: clean actions ``[T, 7]``; None where the source knows the executed ones only.
        proprio: position, axis-angle, finger positions ``[T, 8]``, any float type.
        frames: those of the agentview and of the wrist camera, ``uint8 [T, H, W, 3]`` each; None without images.
        states: flattened simulator states ``[T, S]``, or None.
        start: how the episode started, or None.
        seed: of the episode's random start, or -1.
        expert_from: the first step of the expert.
    """

    suite: str
    task: str
    instruction: str
    actions: NDArray[np.floating]
    proprio: NDArray[np.floating]
    frames: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None
    labels: NDArray[np.floating] | None = None
    states: NDArray[np.floating] | None = None
    start: DemoStart | None = None
    seed: int = -1
    expert_from: int = 0


def to_demo(episode: SourceEpisode, conventions: SourceConventions) -> Demo:
    """Converts an episode to the conventions of `Demo`: as rendered, -1 open / +1 closed, unnormalised, 128 pixels.

    Raises:
        DemoFieldError: a field breaks a rule of `Demo`, frames have a size that cannot be stored, or the gripper's
            actions contradict the convention that was declared.
    """
    actions = _convert_actions("actions", episode.actions, conventions)
    agentview, wrist = None, None
    if episode.frames is not None:
        agentview = _convert_frames("agentview", episode.frames[0], conventions)
        wrist = _convert_frames("wrist", episode.frames[1], conventions)
    return Demo(
        suite=episode.suite,
        task=episode.task,
        instruction=episode.instruction,
        actions=actions,
        labels=actions if episode.labels is None else _convert_actions("labels", episode.labels, conventions),
        proprio=np.asarray(episode.proprio, np.float32),
        agentview=agentview,
        wrist=wrist,
        states=None if episode.states is None else np.asarray(episode.states, np.float64),
        start=episode.start,
        seed=episode.seed,
        expert_from=episode.expert_from,
    )


def _convert_actions(field: str, actions: NDArray[np.floating], conventions: SourceConventions) -> NDArray[np.float32]:
    if actions.ndim != 2 or actions.shape[1] != ACTION_SIZE:
        raise DemoFieldError(field, f"is {actions.dtype} {actions.shape}; expected [T, {ACTION_SIZE}]")
    if conventions.normalisation is None and conventions.gripper_convention == "libero":
        _refuse_zero_or_one(field, actions[:, -1])
        return actions.astype(np.float32)
    converted = actions.astype(np.float64)
    if conventions.normalisation is not None:
        converted = conventions.normalisation.denormalise(converted)
    converted[:, -1] = libero_gripper(converted[:, -1], *GRIPPER_CONVENTIONS[conventions.gripper_convention])
    return converted.astype(np.float32)


def _refuse_zero_or_one(field: str, gripper: NDArray[np.floating]) -> None:
    """Commands of -1 and +1 are never 0; an episode of zeros and ones was declared wrongly and would not open."""
    if np.isin(gripper, (0, 1)).all() and (gripper == 0).any():
        raise DemoFieldError(
            field,
            "has gripper commands 0 and 1, which contradicts gripper_convention='libero' (-1 open, +1 closed); "
            "declare 'openvla' (1 open, 0 closed) or 'open_zero' (0 open, 1 closed)",
        )


def _convert_frames(field: str, frames: NDArray[np.uint8], conventions: SourceConventions) -> NDArray[np.uint8]:
    if frames.ndim != 4 or frames.dtype != np.uint8 or frames.shape[-1] != 3:
        raise DemoFieldError(field, f"is {frames.dtype} {frames.shape}; expected uint8 [T, height, width, 3]")
    stored = upright(frames) if conventions.image_orientation == "upright" else frames
    if stored.shape[1:3] == (RENDER_SIZE, RENDER_SIZE) != (conventions.kept_size,) * 2:
        return np.stack([to_stored_size(frame) for frame in stored])
    if conventions.kept_size == RENDER_SIZE and stored.shape[1:3] == (STORED_SIZE, STORED_SIZE):
        raise DemoFieldError(
            field,
            f"is stored at {STORED_SIZE} pixels, and {RENDER_SIZE} are needed: render it anew by python -m "
            f"launch.render --config.image_size={RENDER_SIZE}, or collect with --config.image_size={RENDER_SIZE}",
        )
    if stored.shape[1:3] != (conventions.kept_size,) * 2:
        raise DemoFieldError(
            field,
            f"is uint8 {frames.shape}; frames of {STORED_SIZE} or {RENDER_SIZE} pixels can be stored. Resize the "
            "source, or leave its images out and add them by python -m launch.render if it has states",
        )
    return np.ascontiguousarray(stored)
