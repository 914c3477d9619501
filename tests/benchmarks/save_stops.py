"""For how long a save keeps the policy's training from its next step, in the background and while it is waited for.

    python -m tests.benchmarks.save_stops --config configs/policy.py --batch_size 256

Every `--every` calls of the compiled program the best checkpoint is saved together with the latest state,
as in a run whose evaluations and saves have one period. A last JSON line holds everything: seconds.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from launch.config_flags import load_config
from rsd_jax.array_types import PyTree
from rsd_jax.checkpoints import CheckpointMetadata, StageCheckpoints
from rsd_jax.provenance import device_name
from rsd_jax.training.background_saves import BackgroundSaves
from rsd_jax.training.row_sources import Dispatch
from rsd_jax.training.train_state import to_checkpoint
from tests.benchmarks.synthetic_policy_training import PolicyTraining, make_training

NUM_ROWS = 1_000


class Stopwatch:
    """Seconds of every call of the program, and of everything that the loop does between two of them."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.stops: list[float] = []

    def run(
        self,
        training: PolicyTraining,
        calls: int,
        save: Callable[[int, PyTree], None],
        every: int,
        otherwise: Callable[[], None],
    ) -> None:
        """Saves behind every `every`-th call and does `otherwise` behind the others; the device is waited for."""
        state, stride = jax.tree.map(lambda array: array.copy(), training.state), training.config.steps_per_dispatch
        plan = [Dispatch(number * stride, stride) for number in range(calls)]
        for number, fed in enumerate(training.source.feed(plan), start=1):
            began = time.perf_counter()
            state, metrics = training.step(state, training.constants, fed)
            jax.block_until_ready(metrics)
            between = time.perf_counter()
            if number % every == 0:
                save(number, state)
                self.stops.append(time.perf_counter() - between)
            else:
                otherwise()
            self.steps.append(between - began)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.save_stops", description=__doc__)
    parser.add_argument("--config", default="configs/policy.py", metavar="FILE[:variant]")
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--steps_per_dispatch", type=int, default=1)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--every", type=int, default=30)
    options = parser.parse_args()
    config = load_config(options.config)[1]
    config.training.batch_size, config.training.steps_per_dispatch = options.batch_size, options.steps_per_dispatch
    training = make_training(config, NUM_ROWS)
    size = sum(array.nbytes for array in jax.tree.leaves(to_checkpoint(training.state)))

    def metadata(step: int) -> CheckpointMetadata:
        return CheckpointMetadata(stage="policy", step=step, config={})

    with tempfile.TemporaryDirectory() as folder:
        checkpoints = StageCheckpoints(Path(folder) / "background")
        with BackgroundSaves(checkpoints) as saves:
            trees = to_checkpoint(training.state)
            saves.prepare({"variables": trees["variables"]}, trees)

            def save_in_background(step: int, state: PyTree) -> None:
                trees = to_checkpoint(state)
                saves.add("best", {"variables": trees["variables"]}, metadata(step))
                saves.add("latest", trees, metadata(step))

            background = Stopwatch()
            background.run(training, options.calls, save_in_background, options.every, saves.advance)
            saves.finish()
        waited_for = Stopwatch()
        blocking = StageCheckpoints(Path(folder) / "waited_for")

        def save(step: int, state: PyTree) -> None:
            trees = to_checkpoint(state)
            blocking.save("best", {"variables": trees["variables"]}, metadata(step))
            blocking.save("latest", trees, metadata(step))

        waited_for.run(training, options.calls, save, options.every, lambda: None)
    result = {
        "device": device_name(),
        "megabytes": size / 1e6,
        "step": float(np.median(background.steps[1:])),
        "longest_step": max(background.steps[1:]),
        "first_stop_in_background": background.stops[0],
        "median_stop_in_background": float(np.median(background.stops[1:])),
        "longest_other_stop_in_background": max(background.stops[1:]),
        "median_stop_waited_for": float(np.median(waited_for.stops)),
        "longest_stop_waited_for": max(waited_for.stops),
        "longest_step_waited_for": max(waited_for.steps[1:]),
    }
    for name, value in result.items():
        print(f"{name:<34}{value if isinstance(value, str) else format(value, '.4g')}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
