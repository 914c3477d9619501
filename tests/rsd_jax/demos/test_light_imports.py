import subprocess
import sys

HEAVY = ("jax", "tensorflow", "torch")
MODULES = (
    "rsd_jax.demos.libero_hdf5",
    "rsd_jax.demos.formats",
    "rsd_jax.demos.conversion",
    "eval_bridge.collection.recording",
    "eval_bridge.episodes.rollout",
    "eval_bridge.evaluation.worker",
    "eval_bridge.collection.worker",
)


def test_what_a_simulation_worker_imports_leaves_jax_alone():
    """A worker of collection or evaluation holds a simulator; jax would cost it seconds and half a gigabyte."""
    program = f"""
import importlib, sys
for module in {MODULES}:
    importlib.import_module(module)
    print(module, [name for name in {HEAVY} if name in sys.modules])
"""
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.splitlines() == [f"{module} []" for module in MODULES]
