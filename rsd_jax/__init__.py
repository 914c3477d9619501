"""rsd_jax: residual speculative decoding for vision-language-action policies, in JAX."""

__version__ = "0.1.0"
