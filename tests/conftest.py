"""Settings of every test, and the miniature run that many of them read."""

import gc
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from eval_bridge.preflight.checks_to_run import quick_compilation

# Tests compare bits and run beside a renderer: never on an accelerator, and never from a cache of another run. One of
# this run alone, shared by its processes, costs more than it saves.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
# Nearly all of the tests' time is compilation of programs that run for milliseconds.
os.environ.setdefault("XLA_FLAGS", quick_compilation())

SLOWEST = (
    # Of the first three only one needs the miniature run, or a worker would wait while the other makes it.
    *("launch/test_analyze_tokenizer.py", "eval_bridge/policies/test_losslessness.py"),
    *("rsd_jax/training/test_processes.py", "eval_bridge/policies/test_compiled_policy.py"),
    *("rsd_jax/training/stages/test_openvla_finetune.py", "rsd_jax/training/test_sharded_finetune.py"),
    *("rsd_jax/backbones/openvla/test_digit_network.py", "launch/test_evaluate.py"),
    *("eval_bridge/evaluation/test_same_results.py", "rsd_jax/training/test_lost_processes.py"),
    *("eval_bridge/runs/test_tpu_record.py", "rsd_jax/stored_models/test_finetuned_export.py", "test_benchmarks.py"),
    *("eval_bridge/preflight/test_checks.py", "rsd_jax/training/test_sharded_policy.py", "launch/test_train.py"),
    *("rsd_jax/training/test_train_loop.py", "eval_bridge/simulators/libero/test_episodes.py"),
    *("eval_bridge/simulators/libero/test_published_procedure.py", "eval_bridge/policies/test_cascade.py"),
    *("eval_bridge/simulators/libero/test_hard_resets.py", "rsd_jax/backbones/test_compact.py"),
    *("rsd_jax/training/objectives/test_action_autoencoding.py", "eval_bridge/collection/test_session.py"),
    "eval_bridge/serving/test_libero_episodes.py",
    *("eval_bridge/experts/test_libero_expert.py", "rsd_jax/training/objectives/test_behaviour_cloning.py"),
)
"""Files that take longest: begun first, so that no worker is left alone with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts `SLOWEST` in front; within a file and among the others the order stays."""
    order = {Path(__file__).parent / name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def pytest_collection_finish() -> None:
    """What has been imported stays: robosuite collects all garbage whenever it closes a scene."""
    gc.collect()
    gc.freeze()


_FILES_AT_ONCE = 10
_files = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def _little_is_left_of_files() -> Iterator[None]:
    """Forgets now and then what was compiled, gigabytes in the end, and looks for garbage no more in what stays."""
    yield
    if next(_files) % _FILES_AT_ONCE == 0:
        import jax  # which reads the environment that is set above

        jax.clear_caches()
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def preflight_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder of a whole preflight in which everything passed, run as users run it. Not to be written to."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    run_dir, table = shared / "preflight", shared / "preflight.json"
    with FileLock(shared / "preflight.lock"):
        if not table.exists():
            run_dir.mkdir()
            command = [sys.executable, "-m", "launch.preflight", "--keep", str(run_dir), "--json", str(table)]
            process = subprocess.run(command, capture_output=True, text=True)
            assert process.returncode == 0, process.stdout + process.stderr
    return run_dir
