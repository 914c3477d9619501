"""The decoders by name."""

from collections.abc import Mapping
from types import MappingProxyType

from rsd_jax.decoding.autoregressive import autoregressive
from rsd_jax.decoding.interface import Decoder
from rsd_jax.decoding.speculative import speculative_greedy

DECODER_STAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "l1_regression": ("policy",),
        "autoregressive": ("rfsq", "policy", "main_head"),
        "speculative_greedy": ("rfsq", "policy", "draft", "main_head"),
    }
)
"""Every decoder's name, and the training stages whose checkpoints it reads."""


def check_decoder(name: str) -> str:
    """Returns `name` if a decoder has it.

    Raises:
        ValueError: no decoder is called so; the message lists those that exist.
    """
    if name not in DECODER_STAGES:
        raise ValueError(f"decoder={name!r} is not a decoder; choose one of {', '.join(DECODER_STAGES)}.")
    return name


TOKEN_DECODERS: dict[str, Decoder] = {"autoregressive": autoregressive, "speculative_greedy": speculative_greedy}
"""Decoders of tokens by name; ``l1_regression`` needs none."""
