"""What decoders are timed on: the observations at which a policy is asked for chunks, as cameras render them."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from eval_bridge.policies.interface import PolicyRequest
from eval_bridge.policies.observation_needs import PolicyObservation
from eval_bridge.policies.observations_to_check import INSTRUCTION, PATCHES
from eval_bridge.policies.random_streams import episode_key
from rsd_jax.demos.demo import Demo
from rsd_jax.demos.frames import RENDER_SIZE, STORED_SIZE
from rsd_jax.demos.libero_hdf5 import read_demos
from rsd_jax.observation_needs import ObservationNeeds

FEWEST_CALLS = 16
"""Different calls at least of a large batch, where the observations would fill fewer."""


class Seen(NamedTuple):
    """What a policy sees when it is asked for a chunk, and whether that is an episode's first."""

    observation: PolicyObservation
    is_first: bool


def of_demonstrations(paths: Sequence[str], count: int, needs: ObservationNeeds, chunk_length: int) -> list[Seen]:
    """What a policy would be asked about in demonstrations: every `chunk_length`-th step, as many of each file.

    Stored frames are doubled, which the reduction inside the compiled call undoes exactly.

    Args:
        paths: HDF5 files, or folders that hold some at any depth.
        count: observations in all, at most.
        needs: of the policy.
        chunk_length: steps between two calls.

    Raises:
        ValueError: a path holds no demonstrations, or these have no frames; or a file is damaged.
    """
    files = [file for path in paths for file in _files(Path(path))]
    quota = -(-count // len(files))
    seen: list[Seen] = []
    for file in files:
        calls = (call for demo in read_demos(file) for call in _calls_of(demo, needs, chunk_length))
        seen.extend(itertools.islice(calls, quota))
    return seen[:count]


def of_patchwork(count: int, needs: ObservationNeeds) -> list[Seen]:
    """Frames of random patches, states far from any that a robot takes; each the first of an episode."""
    generator = np.random.default_rng(0)
    side = RENDER_SIZE // PATCHES
    seen = []
    for _ in range(count):
        patches = generator.integers(0, 256, (len(needs.cameras), PATCHES, PATCHES, 3), np.uint8)
        proprio = (6 * generator.normal(size=needs.state_size)).astype(np.float32)
        frames = tuple(patches.repeat(side, axis=1).repeat(side, axis=2))
        seen.append(Seen(PolicyObservation(frames, proprio, INSTRUCTION), is_first=True))
    return seen


def calls_of_batch(seen: Sequence[Seen], batch: int, before: int = 0) -> list[list[Seen]]:
    """Calls of so many rows, each row going through `seen` from a place of its own, and from its end to its beginning.

    There are as many calls as the observations fill, or `FEWEST_CALLS`, and so many `before` them.
    """
    count = max(len(seen) // batch, min(len(seen), FEWEST_CALLS))
    return [
        [seen[(row * len(seen) // batch + call) % len(seen)] for row in range(batch)] for call in range(-before, count)
    ]


def first_requests(calls: Sequence[Sequence[Seen]]) -> list[dict[int, PolicyRequest]]:
    """The calls as requests of episodes that remember nothing; each row's episode has a random key of its own."""
    return [
        {row: PolicyRequest(seen.observation, episode_key(0, 0, row), number) for row, seen in enumerate(observations)}
        for number, observations in enumerate(calls)
    ]


def _calls_of(demo: Demo, needs: ObservationNeeds, chunk_length: int) -> Iterator[Seen]:
    frames = demo.require_frames()
    scale = RENDER_SIZE // STORED_SIZE
    for step in range(0, len(demo), chunk_length):
        rendered = tuple(
            getattr(frames, camera)[step].repeat(scale, axis=0).repeat(scale, axis=1) for camera in needs.cameras
        )
        observation = PolicyObservation(rendered, demo.proprio[step, : needs.state_size], demo.instruction)
        yield Seen(observation, is_first=step == 0)


def _files(path: Path) -> list[Path]:
    found = sorted(path.rglob("*_demo.hdf5")) if path.is_dir() else [path]
    if not found or not found[0].is_file():
        raise ValueError(
            f"demos has {path}, where there are no demonstrations (*_demo.hdf5); launch.collect makes some"
        )
    return found
