"""Settings of every test: the CPU, strict shapes, nothing remembered between runs."""

import os

# Tests compare bits and run beside a renderer: never on an accelerator, and never from a cache of another run.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"

import jax  # noqa: E402  (reads its environment when it is imported)

# An accidental [B, 1] against [B] broadcasts to [B, B] in silence; here it fails.
# Strict dtypes can't be asked for: Optax itself mixes integers and floats.
jax.config.update("jax_numpy_rank_promotion", "raise")
