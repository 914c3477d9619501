"""The ranges of actions and of the robot's state that a published policy was trained with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.stored_models.openvla.errors import PublishedFolderError
from rsd_jax.stored_models.openvla.json_object import read_json_object

STATISTICS = "dataset_statistics.json"


class Ranges(NamedTuple):
    """Normalizers of one dataset.

    Attributes:
        key: the dataset's name.
        state: q01 becomes -1 and q99 becomes +1, of dimensions that are not masked out.
        action: likewise, and not clipped: OFT executes what lies beyond.
    """

    key: str
    state: ProprioNormalizer
    action: ActionNormalizer


def read_ranges(folder: Path, config: Mapping[str, Any], key: str) -> Ranges:
    """Reads the ranges of the dataset `key`.

    Args:
        folder: with `STATISTICS`. Where there is no such file, those in its ``config.json`` hold (OpenVLA).
        config: the content of that.
        key: ``libero_spatial_no_noops``, for example; "" where there is only one.

    Raises:
        PublishedFolderError: there is no such dataset, several and no key, or it lacks what is needed.
    """
    file = folder / STATISTICS
    statistics = read_json_object(file) if file.is_file() else config.get("norm_stats") or {}
    if not key and len(statistics) == 1:
        key = next(iter(statistics))
    if key not in statistics:
        known = ", ".join(statistics) or "none"
        raise PublishedFolderError(folder, [f"statistics_key is {key!r}; name one of the datasets: {known}"])
    try:
        action = ActionNormalizer.from_dataset_statistics(statistics, key, is_bounded=False)
        return Ranges(key, _state_normalizer(statistics[key].get("proprio")), action)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PublishedFolderError(folder, [f"{STATISTICS} of {key!r}: {error!r}"]) from error


def _state_normalizer(proprio: Mapping[str, Any] | None) -> ProprioNormalizer:
    """``2 (x - q01) / (q99 - q01 + 1e-8) - 1``; to clip to [-1, 1] is up to the backbone. Without any, nothing."""
    if proprio is None:
        return ProprioNormalizer(jnp.zeros(0, jnp.float32), jnp.ones(0, jnp.float32))
    low, high = (np.asarray(proprio[name], np.float64) for name in ("q01", "q99"))
    is_scaled = np.asarray(proprio.get("mask", np.ones(low.shape, bool)), bool)
    scale = np.where(is_scaled, (high - low + 1e-8) / 2, 1.0)
    offset = np.where(is_scaled, low + scale, 0.0)
    return ProprioNormalizer(jnp.asarray(offset, jnp.float32), jnp.asarray(scale, jnp.float32))
