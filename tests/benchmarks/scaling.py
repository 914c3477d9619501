"""How the policy's training scales over the GPUs of one machine: speed, and whether it learns the same.

    python -m tests.benchmarks.scaling --devices 1 2 --run_dir runs/libero_spatial --out results/scaling.json
    python -m tests.benchmarks.scaling --devices 1 2 --config configs/policy.py:tiny --batch 8 --steps 4

Speed is of synthetic rows at an equal batch a device (`tests.benchmarks.policy_step_speed`): every number of devices
in one process, and in as many processes, in turns. Where a run with demonstrations is named, each layout then trains
on them at an equal batch of all devices, three seeds on one device beside: their spread is what rounding alone may do.
On a CPU a process gets as many devices as it is to have. Nothing else should run meanwhile.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval_bridge.runs.places.local_processes import visible_gpus
from rsd_jax.atomic_files import write_json
from rsd_jax.content_check import read_checked_json
from rsd_jax.provenance import device_name, git_commit, library_versions
from rsd_jax.run_folder import DEMOS_FOLDER, METRICS_NAME, ROWS_FOLDER

SEEDS = (0, 1, 2)
_SHARED = (DEMOS_FOLDER, "rfsq", ROWS_FOLDER)
"""Of a run, what trainings on its demonstrations read."""


class Layout(NamedTuple):
    """So many devices of one machine, divided evenly among so many processes."""

    devices: int
    processes: int

    def command(self, *arguments: str) -> list[str]:
        """``python ARGUMENTS`` in every process."""
        if self.processes == 1:
            return [sys.executable, *arguments]
        return [sys.executable, "-m", "launch.local_processes", str(self.processes), "--", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """In which every process finds its part of the devices."""
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count="
        found = {**os.environ, "XLA_FLAGS": f"{flags}{self.devices // self.processes}"}
        gpus = visible_gpus(os.environ)
        return found | ({"CUDA_VISIBLE_DEVICES": ",".join(gpus[: self.devices])} if gpus else {})


def layouts_of(devices: Sequence[int]) -> list[Layout]:
    """Each number of devices in one process, and in as many processes."""
    return [Layout(number, processes) for number in devices for processes in sorted({1, number})]


def output_of(layout: Layout, *arguments: str) -> str:
    """What all processes print; raises RuntimeError with its end where one fails."""
    process = subprocess.run(
        layout.command(*arguments), env=layout.environment, capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise RuntimeError(f"{layout}: {(process.stdout + process.stderr)[-2000:]}")
    return process.stdout


def speed_of(layout: Layout, options: argparse.Namespace) -> dict[str, float]:
    """One turn: samples a second of all devices, and the share of the matrix units' rate."""
    asked = ("--config", options.config, "--batch", str(options.batch), "--steps", str(options.steps))
    printed = output_of(layout, "-m", "tests.benchmarks.scaling_process", *asked)
    found = re.search(r"^.*?RESULT (\{.*\})$", printed, re.MULTILINE)
    assert found is not None, printed[-2000:]
    result: dict[str, float] = json.loads(found[1])
    return result


def trained(layout: Layout, options: argparse.Namespace, folder: Path, seed: int) -> dict[str, Any]:
    """What a training of a few steps on the demonstrations says of itself."""
    run = folder / f"{layout.devices}_{layout.processes}_{seed}"
    run.mkdir()
    (options.run_dir / ROWS_FOLDER).mkdir(exist_ok=True)
    for name in _SHARED:
        (run / name).symlink_to((options.run_dir / name).resolve())
    values = {"run_dir": run, "seed": seed, "training.steps": options.trained_steps, "training.log_every": 10}
    values |= {"training.batch_size": options.batch * max(options.devices)}
    flags = [f"--config.{name}={value}" for name, value in values.items()]
    output_of(layout, "-m", "launch.train", "--config", options.config, *flags)
    lines = [json.loads(line) for line in (run / "policy" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["train/loss"] for line in lines if "train/loss" in line]
    training: Mapping[str, Any] = read_checked_json(run / "policy" / METRICS_NAME)["training"]
    return {
        "loss": statistics.fmean(losses[-10:]),
        "save_stall_ms": 1e3 * training["longest_save_stop"],
        "start_seconds": sum(training["start"].values()),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """What the file holds."""
    layouts = layouts_of(options.devices)
    turns: dict[Layout, list[dict[str, float]]] = {layout: [] for layout in layouts}
    for turn in range(options.turns):
        for layout in layouts if turn % 2 == 0 else reversed(layouts):
            turns[layout].append(speed_of(layout, options))
            print(f"turn {turn} {layout}: {turns[layout][-1]}", flush=True)
    learned: dict[Layout, dict[str, Any]] = {}
    spread: list[float] = []
    if options.run_dir is not None:
        with tempfile.TemporaryDirectory(prefix="scaling_") as folder:
            learned = {layout: trained(layout, options, Path(folder), SEEDS[0]) for layout in layouts}
            others = [trained(layouts[0], options, Path(folder), seed) for seed in SEEDS[1:]]
            spread = [learned[layouts[0]]["loss"], *(each["loss"] for each in others)]
            # The last one found rows and programs as the first had left them.
            warm = others[-1]
    rows = [
        {
            **layout._asdict(),
            "batch": options.batch * layout.devices,
            **{name: statistics.median(each[name] for each in turns[layout]) for name in ("samples_per_s", "mfu")},
            "final_loss": learned[layout]["loss"] if learned else None,
        }
        for layout in layouts
    ]
    return {
        "rows": rows,
        "turns": options.turns,
        "final_loss_of_seeds": spread,
        "final_loss_batch": options.batch * max(options.devices),
        "save_stall_ms": max((each["save_stall_ms"] for each in learned.values()), default=None),
        "start_seconds": warm["start_seconds"] if learned else None,
        "config": options.config,
        "commit": git_commit(),
        "versions": library_versions(),
        "device": device_name(),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2], help="numbers of devices, the first one 1")
    parser.add_argument("--config", default="configs/policy.py", metavar="FILE[:variant]")
    parser.add_argument("--batch", type=int, default=256, help="rows a step and device (default %(default)s)")
    parser.add_argument("--steps", type=int, default=200, help="steps that are timed (default %(default)s)")
    parser.add_argument("--turns", type=int, default=3, help="of all layouts (default %(default)s)")
    parser.add_argument("--run_dir", type=Path, help="a run whose demonstrations every layout is trained on")
    parser.add_argument("--trained_steps", type=int, default=1000, help="steps of that (default %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.devices[0] != 1 or min(options.devices) < 1:
        parser.error(f"--devices {options.devices} must begin with 1, what all others are compared with")
    result = measure(options)
    for row in result["rows"]:
        print(f"{row['samples_per_s'] / result['rows'][0]['samples_per_s']:.3f} x  {row}")
    if options.out:
        write_json(options.out, result)
        print(options.out)


if __name__ == "__main__":
    main()
