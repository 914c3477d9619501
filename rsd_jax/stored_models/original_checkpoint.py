"""Tokenizers that the PyTorch original (Oscar-Ge/RVQExperiment) has trained, read from its files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.array_types import PyTree
from rsd_jax.rfsq.autoencoders.mlp import MlpAutoencoder
from rsd_jax.rfsq.original import OriginalRfsq
from rsd_jax.rfsq.strategies.fixed import Naive
from rsd_jax.rfsq.tokenizer import RfsqTokenizer
from rsd_jax.stored_models.torch_file import read_torch_file

Kind = Literal["layernorm", "naive"]

_NETWORKS = ("encoder", "decoder")
_LINEAR_LAYERS = {"up": 0, "down": 2}
"""Names of our linear layers and their places in the original's `torch.nn.Sequential`, an activation between them."""

_STATE_DICTS = ("model_state_dict", "model", "state_dict")
"""Where files have the weights: the first two are the original's, the last is Lightning's."""

_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""What PyTorch puts into names, anywhere, for modules that it has wrapped or compiled."""

_ALWAYS_THERE = ("encoder.0.weight", "rfsq.layers.0.boundaries")

_LEVELS_KEY = re.compile(r"rfsq\.layers\.(\d+)\.boundaries")


@dataclass(frozen=True)
class OriginalCheckpoint:
    """What a file of the original holds.

    Attributes:
        kind: whether its layers normalise by the statistics of each sample (``layernorm``) or not (``naive``).
        params: parameters of the autoencoder, for `MlpAutoencoder`.
        autoencoder: sizes of the networks.
        num_layers: L. num_levels: V.
        chunk_length: C, which the file doesn't say: the networks see single chunk steps.
    """

    kind: Kind
    params: PyTree
    autoencoder: MlpAutoencoder
    num_layers: int
    num_levels: int
    chunk_length: int

    @property
    def rfsq(self) -> OriginalRfsq:
        """The quantizer of a ``layernorm`` checkpoint, which encodes to tokens and side information."""
        return OriginalRfsq(self.autoencoder, self.num_layers, self.num_levels, self.chunk_length)


def load_original(path: Path | str, kind: Kind | None = None, chunk_length: int = 8) -> OriginalCheckpoint:
    """Reads a checkpoint of the original's action autoencoder, without PyTorch.

    Accepted are a dict with the weights under ``model_state_dict``, ``model`` or (Lightning) ``state_dict``, and the
    bare state dict. What `torch.compile` and wrappers put into names (``_orig_mod.``, ``module.``) is ignored, and so
    is the name under which a Lightning module holds the network. The flag ``use_layernorm`` in the file's ``config``
    or ``hyper_parameters`` says the kind.

    Args:
        path: the ``.pt`` file.
        kind: for a file that doesn't say it; both kinds have the same weights.
        chunk_length: C of the tokenizer to make; 8 in the original.

    Raises:
        FileNotFoundError: there is no such file.
        TorchFileError: the file is damaged, or none of PyTorch's.
        ValueError: it isn't of this network, doesn't say its kind, or says another one than `kind`.
    """
    path = Path(path)
    content = read_torch_file(path)
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds a {type(content).__name__}; it must be a dict of weights, or hold one")
    weights = _weights(path, content)
    num_layers, num_levels = _layers_and_levels(path, weights)
    params, autoencoder = _networks(path, weights)
    return OriginalCheckpoint(
        kind=_kind(path, content, kind),
        params=params,
        autoencoder=autoencoder,
        num_layers=num_layers,
        num_levels=num_levels,
        chunk_length=chunk_length,
    )


def to_tokenizer(checkpoint: OriginalCheckpoint, normalizer: ActionNormalizer) -> RfsqTokenizer:
    """The tokenizer of a ``naive`` checkpoint, with the original's tokens.

    Args:
        checkpoint: from `load_original`.
        normalizer: from the dataset's units to the range in which the original was trained.

    Raises:
        ValueError: for a ``layernorm`` checkpoint, whose tokens don't decode alone; the message says what to do.
    """
    if checkpoint.kind != "naive":
        raise ValueError(
            f"checkpoint is of kind {checkpoint.kind!r}: its tokens don't decode without the mean and deviation of "
            "each sample. Calibrate it on its training actions, which gives it tokens that do: "
            "checkpoint.rfsq.calibrate(checkpoint.params, training_actions_normalized, normalizer)"
        )
    return RfsqTokenizer(
        params=checkpoint.params,
        table=Naive(checkpoint.num_layers, checkpoint.autoencoder.latent_dim, checkpoint.num_levels).fixed_table(),
        normalizer=normalizer,
        autoencoder=checkpoint.autoencoder,
        chunk_length=checkpoint.chunk_length,
    )


def _weights(path: Path, content: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The state dict, by the names that the original gives: where several are present, the first that it looks for."""
    found = next((content[name] for name in _STATE_DICTS if name in content), content)
    if not isinstance(found, Mapping):
        raise ValueError(f"{path} holds a {type(found).__name__} as its model; it must be a dict of weights")
    unwrapped: dict[str, NDArray[Any]] = {}
    stored_as: dict[str, str] = {}
    for stored, value in ((str(key), value) for key, value in found.items() if isinstance(value, np.ndarray)):
        key = ".".join(part for part in stored.split(".") if part not in _WRAPPERS)
        if key in unwrapped:
            raise ValueError(f"{path} holds {key} twice, as {stored_as[key]} and {stored}; keep one of the networks")
        unwrapped[key], stored_as[key] = value, stored
    return _network_within(path, unwrapped)


def _network_within(path: Path, weights: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The weights of the network, which a Lightning module holds under a name of its own, beside its metrics."""
    holders = {key.removesuffix(name) for key in weights for name in _ALWAYS_THERE if f".{key}".endswith(f".{name}")}
    if len(holders) > 1:
        raise ValueError(
            f"{path} holds several networks, under {', '.join(map(repr, sorted(holders)))}; keep the weights of one"
        )
    holder = next(iter(holders), "")
    return {key.removeprefix(holder): value for key, value in weights.items() if key.startswith(holder)}


def _kind(path: Path, content: Mapping[str, Any], said: Kind | None) -> Kind:
    holders = [content, content.get("extra_state"), content.get("hyper_parameters")]
    places = [place for holder in holders if isinstance(holder, Mapping) for place in (holder, holder.get("config"))]
    flags = [place["use_layernorm"] for place in places if isinstance(place, Mapping) and "use_layernorm" in place]
    if said not in (None, "layernorm", "naive"):
        raise ValueError(f"kind is {said!r}; it must be 'layernorm' or 'naive'")
    if not flags:
        if said is None:
            raise ValueError(
                f"{path} doesn't say whether its layers normalise each sample (no use_layernorm in its config), and "
                "the weights are the same either way. Pass kind='layernorm' (rfsq_robust*.pt in the original) or "
                "kind='naive'"
            )
        return said
    kind: Kind = "layernorm" if flags[0] else "naive"
    if said not in (None, kind):
        raise ValueError(f"kind is {said!r}, but {path} says use_layernorm={flags[0]}: leave kind out")
    return kind


def _layers_and_levels(path: Path, weights: Mapping[str, NDArray[Any]]) -> tuple[int, int]:
    levels = {int(match[1]): value for key, value in weights.items() if (match := _LEVELS_KEY.fullmatch(key))}
    if not levels or sorted(levels) != list(range(len(levels))):
        raise ValueError(
            f"{path} holds the levels of layers {sorted(levels)}; expected keys rfsq.layers.K.boundaries for K = 0, "
            f"1, ... without gaps. It is no action autoencoder of the original: its keys begin {sorted(weights)[:3]}"
        )
    num_levels = levels[0].size
    for layer, values in levels.items():
        _check_shape(path, f"rfsq.layers.{layer}.boundaries", values, (num_levels,))
        if not np.allclose(values, np.linspace(-1, 1, num_levels), atol=1e-6):
            raise ValueError(
                f"{path}: rfsq.layers.{layer}.boundaries is {values}; only the original's {num_levels} uniform levels "
                "from -1 to 1 can be read"
            )
    if num_levels % 2 == 0 or not 3 <= num_levels <= 15:
        raise ValueError(f"{path} has {num_levels} levels; only odd numbers from 3 to 15 can be read")
    return len(levels), num_levels


def _networks(path: Path, weights: Mapping[str, NDArray[Any]]) -> tuple[PyTree, MlpAutoencoder]:
    parts = ("weight", "bias")
    expected = {f"{network}.{place}.{part}" for network in _NETWORKS for place in (0, 2) for part in parts}
    if missing := sorted(expected - weights.keys()):
        raise ValueError(f"{path} lacks {', '.join(missing)}; it must hold all of {', '.join(sorted(expected))}")
    # A key of the networks that isn't expected belongs to a deeper network, which would be cut off.
    if more := sorted(key for key in weights.keys() - expected if not _LEVELS_KEY.fullmatch(key)):
        raise ValueError(f"{path} also holds {', '.join(more)}, which the original's action autoencoder doesn't have")
    for key in ("encoder.0.weight", "encoder.2.weight"):
        if weights[key].ndim != 2:
            raise ValueError(f"{path}: {key} has shape {weights[key].shape}; expected (outputs, inputs)")
    hidden, action_dim = weights["encoder.0.weight"].shape
    latent_dim = weights["encoder.2.weight"].shape[0]
    widths = {"encoder": (action_dim, hidden, latent_dim), "decoder": (latent_dim, hidden, action_dim)}
    params = {
        network: {
            name: _linear(path, weights, f"{network}.{place}", *widths[network][index : index + 2])
            for index, (name, place) in enumerate(_LINEAR_LAYERS.items())
        }
        for network in _NETWORKS
    }
    return params, MlpAutoencoder(action_dim, hidden, latent_dim)


def _linear(path: Path, weights: Mapping[str, NDArray[Any]], key: str, inputs: int, outputs: int) -> PyTree:
    """A linear layer, its weight transposed to ``[inputs, outputs]``."""
    weight, bias = weights[f"{key}.weight"], weights[f"{key}.bias"]
    _check_shape(path, f"{key}.weight", weight, (outputs, inputs))
    _check_shape(path, f"{key}.bias", bias, (outputs,))
    return {"kernel": jnp.asarray(weight.T, jnp.float32), "bias": jnp.asarray(bias, jnp.float32)}


def _check_shape(path: Path, key: str, value: NDArray[Any], expected: tuple[int, ...]) -> None:
    if value.shape != expected:
        raise ValueError(f"{path}: {key} has shape {value.shape}; expected {expected}")
