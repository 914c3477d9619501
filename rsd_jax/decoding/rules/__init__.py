"""Rules by which speculative decoding keeps drafted tokens: each a frozen dataclass, whose fields are its settings."""

from rsd_jax.decoding.rules.interface import AcceptanceRule, Verification
from rsd_jax.decoding.rules.lossless_greedy import LosslessGreedy

__all__ = ["AcceptanceRule", "LosslessGreedy", "Verification"]
