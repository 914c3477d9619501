"""What decoders are checked on: observations of demonstrations, or patchwork, and the backbone's features of them."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from eval_bridge.policies.compiled_policy import LoadedModels
from eval_bridge.policies.decoder_models import Models
from rsd_jax.array_types import Features
from rsd_jax.backbones.interface import Backbone, PolicyInputs
from rsd_jax.demos.libero_hdf5 import read_demos

BACKBONE_BATCH = 32
PATCHES = 8  # along a side of a frame
INSTRUCTION = "pick up the black bowl on the stove and place it on the plate"


def patchwork(count: int, backbone: Backbone) -> PolicyInputs:
    """Frames of random patches, states far from any that a robot takes, as `backbone` takes them: rows on the host."""
    generator = np.random.default_rng(0)
    needs = backbone.observation_needs
    cameras, size = len(needs.cameras), needs.image_size
    images: NDArray[np.uint8] = np.empty((count, cameras, size, size, 3), np.uint8)
    proprio: NDArray[np.float32] = np.empty((count, needs.state_size), np.float32)
    side = -(-size // PATCHES)
    for row in range(count):
        patches = generator.integers(0, 256, (cameras, PATCHES, PATCHES, 3), np.uint8)
        images[row] = patches.repeat(side, axis=1).repeat(side, axis=2)[:, :size, :size]
        proprio[row] = 6 * generator.normal(size=needs.state_size)
    return _inputs(images, proprio, np.stack([backbone.encode_instruction(INSTRUCTION)] * count))


def from_demonstrations(files: Sequence[Path], count: int, backbone: Backbone) -> PolicyInputs:
    """Every step of the demonstrations in `files`, up to `count`, as `backbone` takes them: rows on the host.

    Raises:
        ValueError: a file is damaged, or its demonstrations have no frames.
    """
    images, proprio, ids = [], [], []
    rows = 0
    for demo in (demo for file in files for demo in read_demos(file)):
        if rows >= count:
            break
        images.append(np.stack(demo.require_frames(), axis=1))
        proprio.append(demo.proprio)
        ids.append(np.stack([backbone.encode_instruction(demo.instruction)] * len(demo.proprio)))
        rows += len(demo.proprio)
    return _inputs(np.concatenate(images)[:count], np.concatenate(proprio)[:count], np.concatenate(ids)[:count])


def backbone_features(models: LoadedModels, inputs: PolicyInputs) -> Features:
    """Features of all rows, ``[N, C, F]``."""
    features = jax.jit(lambda arrays, inputs: Models(models.networks, arrays).features(inputs))
    count = len(inputs.images)
    found = []
    for first in tqdm(range(0, count, BACKBONE_BATCH), desc="backbone", unit="batch"):
        rows = np.arange(first, first + BACKBONE_BATCH) % count
        found.append(np.asarray(features(models.arrays, jax.tree.map(lambda array, rows=rows: array[rows], inputs))))
    return jnp.asarray(np.concatenate(found)[:count])


def _inputs(images: NDArray[np.uint8], proprio: NDArray[np.float32], ids: NDArray[np.int32]) -> PolicyInputs:
    return PolicyInputs(images, proprio, ids)  # type: ignore[arg-type]  # NumPy in place of JAX
