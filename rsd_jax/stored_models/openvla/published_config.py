"""What a published ``config.json`` says about the networks, and what it must say."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rsd_jax.backbones.openvla.action_bins import BINS
from rsd_jax.backbones.openvla.configuration import (
    OPENVLA_7B,
    VOCABULARY_PADDING,
    LanguageSizes,
    OpenVlaSizes,
    TowerSizes,
)
from rsd_jax.backbones.openvla.token_sequence import PADDING
from rsd_jax.registry import to_dataclass
from rsd_jax.stored_models.openvla.errors import PublishedFolderError

CONFIG = "config.json"

TOWERS_KEY = "rsd_jax_towers"
"""Sizes of the vision towers where they are not those that `VISION` names; PyTorch's code does not read it."""

VISION = "dinosiglip-vit-so-224px"

_FIXED = {
    "model_type": "openvla",
    "vision_backbone_id": VISION,
    "arch_specifier": "no-align+fused-gelu-mlp",
    "use_fused_vision_backbone": True,
    "pad_token_id": PADDING,
    "pad_to_multiple_of": VOCABULARY_PADDING,
    "n_action_bins": BINS,
}
"""What is the same in all published folders; left out, it has this value."""

_LANGUAGE_FIXED = {
    "model_type": "llama",
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": False,
    "rope_scaling": None,
}

_LANGUAGE_NAMES = {
    "hidden_size": "width",
    "num_hidden_layers": "depth",
    "num_attention_heads": "heads",
    "intermediate_size": "mlp_features",
    "vocab_size": "vocabulary",
    "rms_norm_eps": "norm_epsilon",
    "rope_theta": "rotary_base",
}
"""transformers' names of `LanguageSizes`. It leaves out of a file what is its own default: Llama's at 7B."""


def sizes_of(config: Mapping[str, Any], folder: Path) -> OpenVlaSizes:
    """The sizes that a ``config.json`` describes.

    Args:
        config: its content.
        folder: where it lies, for the message.

    Raises:
        PublishedFolderError: it is of another model than OpenVLA on DINOv2, SigLIP and Llama-2.
    """
    text = config.get("text_config") or {}
    problems = [*_differences("", config, _FIXED), *_differences("text_config.", text, _LANGUAGE_FIXED)]
    heads = text.get("num_attention_heads", LanguageSizes().heads)
    if text.get("num_key_value_heads", heads) != heads:
        found = text["num_key_value_heads"]
        problems.append(f"{CONFIG} has text_config.num_key_value_heads={found}; only {heads} can be read")
    rotation = text.get("rope_parameters") or {}  # where transformers 5 has what was rope_theta and rope_scaling
    if rotation.get("rope_type", "default") != "default":
        problems.append(f"{CONFIG} has text_config.rope_parameters={rotation!r}; only rope_type='default' can be read")
    if problems:
        raise PublishedFolderError(folder, problems)
    given = {ours: text[theirs] for theirs, ours in _LANGUAGE_NAMES.items() if theirs in text}
    if "rope_theta" in rotation:
        given["rotary_base"] = rotation["rope_theta"]
    try:
        towers = {name: to_dataclass(TowerSizes, tower) for name, tower in config.get(TOWERS_KEY, {}).items()}
        sizes = replace(OPENVLA_7B, language=replace(LanguageSizes(), **given), **towers)
    except (TypeError, ValueError) as error:
        raise PublishedFolderError(folder, [f"{CONFIG} has sizes that cannot be: {error}"]) from error
    expected = sizes.language.head_features
    found = text.get("head_dim") or expected
    if found != expected:
        raise PublishedFolderError(folder, [f"{CONFIG} has text_config.head_dim={found}; only {expected} can be read"])
    return sizes


def config_of(sizes: OpenVlaSizes) -> dict[str, Any]:
    """A ``config.json`` of these sizes, as far as the networks go."""
    language = asdict(sizes.language)
    config: dict[str, Any] = {
        **_FIXED,
        "image_sizes": [sizes.image_size] * 2,
        "text_config": {
            "model_type": "llama",
            "pad_token_id": PADDING,
            **{theirs: language[ours] for theirs, ours in _LANGUAGE_NAMES.items()},
        },
    }
    if (sizes.dinov2, sizes.siglip) != (OPENVLA_7B.dinov2, OPENVLA_7B.siglip):
        config[TOWERS_KEY] = {"dinov2": asdict(sizes.dinov2), "siglip": asdict(sizes.siglip)}
    return config


def _differences(section: str, config: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    return [
        f"{CONFIG} has {section}{key}={config[key]!r}; only {value!r} can be read"
        for key, value in expected.items()
        if config.get(key, value) != value
    ]
