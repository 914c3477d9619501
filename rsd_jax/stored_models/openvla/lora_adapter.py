"""Low-rank changes of linear layers as peft keeps them, merged into the weights that they change.

Hu et al. 2021, "LoRA" (arXiv 2106.09685): ``W + (alpha / r) B A``.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from rsd_jax.stored_models.openvla.errors import PublishedFolderError
from rsd_jax.stored_models.openvla.json_object import read_json_object
from rsd_jax.stored_models.openvla.tensor_source import TensorFact, TensorSource

ADAPTER_FOLDER = "lora_adapter"
"""Where OFT's training puts it, inside its checkpoint's folder."""

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

_PREFIX = "base_model.model."
_SUFFIXES = (".lora_A.weight", ".lora_B.weight")


class MergedAdapter:
    """The tensors of `base` with the changes of an adapter: computed in float32, rounded once to the type of `base`.

    Attributes:
        facts: see `TensorSource`; those of `base`.
    """

    def __init__(self, base: TensorSource, folder: Path) -> None:
        """Reads the adapter, which is small, and checks that it fits.

        Args:
            base: what the adapter was trained on.
            folder: with `ADAPTER_CONFIG` and `ADAPTER_WEIGHTS`.

        Raises:
            PublishedFolderError: a file is missing or damaged, the adapter is of a kind that cannot be merged, or
                changes what `base` does not have or has in another shape.
        """
        self._base, self.facts = base, base.facts
        config = _read_config(folder)
        if not (folder / ADAPTER_WEIGHTS).is_file():
            raise PublishedFolderError(folder, [f"{ADAPTER_WEIGHTS} is missing"])
        try:
            weights = load_file(folder / ADAPTER_WEIGHTS)
        except SafetensorError as error:
            raise PublishedFolderError(folder, [f"{ADAPTER_WEIGHTS} is damaged ({error})"]) from error
        problems = [f"{name} is no part of a LoRA layer" for name in weights if not name.endswith(_SUFFIXES)]
        changed = {name.removesuffix(suffix) for name in weights for suffix in _SUFFIXES if name.endswith(suffix)}
        self._changes: dict[str, tuple[NDArray[Any], NDArray[Any], float]] = {}
        for layer in sorted(changed):
            down, up = (weights.get(f"{layer}{suffix}") for suffix in _SUFFIXES)
            if down is None or up is None:
                problems.append(f"{layer} has one of lora_A and lora_B without the other")
                continue
            target = f"{layer.removeprefix(_PREFIX)}.weight"
            problems += _misfit(target, down, up, base.facts)
            self._changes[target] = (down, up, _scaling(config, down.shape[0]))
        if problems:
            raise PublishedFolderError(folder, problems)

    def read(self, name: str) -> NDArray[Any]:
        """See `TensorSource`."""
        tensor = self._base.read(name)
        if name not in self._changes:
            return tensor
        down, up, scaling = self._changes[name]
        change = up.astype(np.float32) @ down.astype(np.float32)
        merged: NDArray[Any] = (tensor.astype(np.float32) + np.float32(scaling) * change).astype(tensor.dtype)
        return merged


def _read_config(folder: Path) -> Mapping[str, Any]:
    config = read_json_object(folder / ADAPTER_CONFIG)
    plain = {"peft_type": "LORA", "use_dora": False, "fan_in_fan_out": False, "bias": "none", "lora_bias": False}
    problems = [
        f"{ADAPTER_CONFIG} has {key}={config[key]!r}; only {value!r} can be merged"
        for key, value in plain.items()
        if config.get(key, value) != value
    ]
    if config.get("modules_to_save"):
        problems.append(f"{ADAPTER_CONFIG} has modules_to_save={config['modules_to_save']!r}; only none can be merged")
    if not isinstance(config.get("r"), int) or not isinstance(config.get("lora_alpha"), int | float):
        problems.append(f"{ADAPTER_CONFIG} has r={config.get('r')!r} and lora_alpha={config.get('lora_alpha')!r}")
    if config.get("rank_pattern") or config.get("alpha_pattern"):
        problems.append(f"{ADAPTER_CONFIG} has ranks or alphas by layer; only the same for all can be merged")
    if problems:
        raise PublishedFolderError(folder, problems)
    return config


def _scaling(config: Mapping[str, Any], rank: int) -> float:
    alpha = float(config["lora_alpha"])
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank


def _misfit(target: str, down: NDArray[Any], up: NDArray[Any], facts: Mapping[str, TensorFact]) -> list[str]:
    if target not in facts:
        return [f"{target} is changed by the adapter and not there"]
    shape = (up.shape[0], down.shape[1])
    if facts[target].shape != shape or up.shape[1] != down.shape[0]:
        return [f"{target} has shape {facts[target].shape}; the adapter's {up.shape} x {down.shape} do not fit"]
    return []
