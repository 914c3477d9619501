import subprocess
import sys

import pytest

HEAVY = ("jax", "tensorflow", "torch")


@pytest.mark.parametrize(
    "module",
    [
        "rsd_jax.demos.libero_hdf5",
        "rsd_jax.demos.formats",
        "rsd_jax.demos.conversion",
        "eval_bridge.collection.recording",
        "eval_bridge.episodes.rollout",
        "eval_bridge.evaluation.worker",
        "eval_bridge.collection.worker",
    ],
)
def test_what_a_simulation_worker_imports_leaves_jax_alone(module):
    """A worker of collection or evaluation holds a simulator; jax would cost it seconds and half a gigabyte."""
    program = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
