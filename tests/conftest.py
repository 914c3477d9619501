"""Settings of every test: the CPU, nothing remembered between runs."""

import os

# Tests compare bits and run beside a renderer: never on an accelerator, and never from a cache of another run.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
