"""What decoders are checked on: observations of demonstrations, or patchwork, and the backbone's features of them."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from eval_bridge.policies.compiled_policy import LoadedModels
from eval_bridge.policies.decoder_models import Models
from eval_bridge.policies.host_batch import HostBatch
from eval_bridge.policies.observation_needs import PolicyObservation
from rsd_jax.array_types import Features
from rsd_jax.demos.libero_hdf5 import read_demos
from rsd_jax.observation_needs import ObservationNeeds

BACKBONE_BATCH = 32
PATCHES = 8  # along a side of a frame
INSTRUCTION = "pick up the black bowl on the stove and place it on the plate"


def patchwork(count: int, needs: ObservationNeeds) -> list[PolicyObservation]:
    """Frames of random patches, states far from any that a robot takes, as a policy with `needs` takes them."""
    generator = np.random.default_rng(0)
    cameras, size = len(needs.cameras), needs.image_size
    side = -(-size // PATCHES)
    return [
        PolicyObservation(
            generator.integers(0, 256, (cameras, PATCHES, PATCHES, 3), np.uint8)
            .repeat(side, axis=1)
            .repeat(side, axis=2)[:, :size, :size],
            6 * generator.normal(size=needs.state_size).astype(np.float32),
            INSTRUCTION,
        )
        for _ in range(count)
    ]


def from_demonstrations(files: Sequence[Path], count: int) -> list[PolicyObservation]:
    """Every step of the demonstrations in `files`, up to `count`.

    Raises:
        ValueError: a file is damaged, or its demonstrations have no frames.
    """
    seen: list[PolicyObservation] = []
    for file in files:
        for demo in read_demos(file):
            agentview, wrist = demo.require_frames()
            for frames, proprio in zip(np.stack([agentview, wrist], axis=1), demo.proprio, strict=True):
                seen.append(PolicyObservation(frames, proprio, demo.instruction))
            if len(seen) >= count:
                return seen[:count]
    return seen


def backbone_features(models: LoadedModels, observations: Sequence[PolicyObservation]) -> Features:
    """Features of all observations, ``[N, C, F]``."""
    features = jax.jit(lambda arrays, inputs: Models(models.networks, arrays).features(inputs))
    batch = HostBatch(BACKBONE_BATCH, models.networks.policy.backbone)
    found = []
    for first in tqdm(range(0, len(observations), BACKBONE_BATCH), desc="backbone", unit="batch"):
        for row, observation in enumerate(observations[first : first + BACKBONE_BATCH]):
            batch.write(row, observation)
        found.append(np.asarray(features(models.arrays, batch.inputs)))
    return jnp.asarray(np.concatenate(found)[: len(observations)])
