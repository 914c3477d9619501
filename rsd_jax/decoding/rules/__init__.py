"""Rules by which speculative decoding keeps drafted tokens: each a frozen dataclass, whose fields are its settings."""

from rsd_jax.decoding.rules.certified import Certified
from rsd_jax.decoding.rules.interface import AcceptanceRule, Verification
from rsd_jax.decoding.rules.lossless_greedy import LosslessGreedy
from rsd_jax.decoding.rules.lossless_sampling import LosslessSampling
from rsd_jax.decoding.rules.token_distance import TokenDistance

__all__ = ["AcceptanceRule", "Certified", "LosslessGreedy", "LosslessSampling", "TokenDistance", "Verification"]
