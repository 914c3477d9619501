"""Times a step of fine-tuning OpenVLA, and of training heads on its features: random weights, inputs on the devices.

    python -m tests.benchmarks.openvla_training --shape 7b --way lora --devices 2 --out training.json
    python -m tests.benchmarks.openvla_training --shape 7b --way full --devices 4 --tensor 2 --out training.json
    python -m tests.benchmarks.openvla_training --shape 7b --way heads --devices 1 --out training.json
    JAX_PLATFORMS=cpu python -m tests.benchmarks.openvla_training --shape tiny --way lora --devices 2 --steps 3
    JAX_PLATFORMS=cpu python -m tests.benchmarks.openvla_training --shape 7b --way lora --ahead

Told before anything runs: what a device holds by estimate (`step_memory`). `--ahead` stops there, after tracing and
lowering the step without any weights, and tells the operations and bytes that XLA counts in it. Devices share
parameters and batch (fsdp), or with `--tensor` each layer. Operations are those of the step's matrix products, without
those that are done twice because activations were not kept; the matrix rate is that of a large bfloat16 product in
the same process. Rows are added to what `--out` holds.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np

from rsd_jax.atomic_files import write_json
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.distributed.operation_count import count_operations
from rsd_jax.provenance import device_name, git_commit, library_versions
from rsd_jax.training.finetune_memory import gibibytes
from tests.benchmarks.openvla_training_subjects import SHAPES, Subject, fine_tuning, heads
from tests.benchmarks.policy_step_speed import matrix_rate


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=tuple(SHAPES), default="7b")
    parser.add_argument("--way", choices=("lora", "full", "heads"), default="lora")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--tensor", type=int, default=1, help="of these, how many share each layer")
    parser.add_argument("--batch", type=int, help="rows a step and part of the batch (default 8, of heads 64)")
    parser.add_argument("--kept", choices=("all", "products", "inputs"), default="inputs", help="activations")
    parser.add_argument("--master-dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--moments-dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20, help="that are timed, behind two that are not")
    parser.add_argument("--ahead", action="store_true", help="trace and lower only: nothing is run")
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.devices % options.tensor:
        parser.error(f"--devices {options.devices} must be a multiple of --tensor {options.tensor}")
    options.batch = options.batch or (64 if options.way == "heads" else 8)
    return options


def main() -> None:
    """Command line."""
    options = parsed_arguments()
    jax.config.update("jax_num_cpu_devices", options.devices)  # before the first of them is asked for
    sizes = MeshConfig(data=1, fsdp=options.devices // options.tensor, tensor=options.tensor)
    mesh = make_mesh(sizes, jax.devices()[: options.devices])
    subjects = heads(options, mesh) if options.way == "heads" else [fine_tuning(options, mesh)]
    for subject in subjects:
        row = described(subject, options)
        print(json.dumps(row), flush=True)
        row |= lowered(subject) if options.ahead else timed(subject, options)
        print(json.dumps(row), flush=True)
        if options.out:
            add_row(options.out, row)


def described(subject: Subject, options: argparse.Namespace) -> dict[str, Any]:
    """What is known before anything is run."""
    return {
        "implementation": "rsd_jax",
        "model": f"openvla_{options.shape}, random weights",
        "way": subject.name,
        "devices": options.devices,
        "fsdp": options.devices // options.tensor,
        "tensor": options.tensor,
        "batch": subject.rows,
        "positions": subject.positions,
        "compute_dtype": subject.compute_dtype,
        "master_dtype": options.master_dtype,
        "moments_dtype": options.moments_dtype,
        "kept_activations": options.kept,
        "estimate_gib": None if subject.memory is None else gibibytes(subject.memory),
        "operations": operations(subject),
        "device": device_name(),
        "commit": git_commit(),
        "versions": library_versions(),
    }


def operations(subject: Subject) -> int:
    """Of a step that keeps all activations, with attention as products, whatever kernel the device has for it."""
    with mock.patch("rsd_jax.backbones.attention.has_fused_kernel", return_value=False):
        traced = jax.make_jaxpr(subject.gradient)(subject.params, subject.constants, subject.batch, jax.random.key(0))
    return count_operations(traced.jaxpr)


def lowered(subject: Subject) -> dict[str, Any]:
    """What XLA counts in the step before it optimises it, and how long it took to come there."""
    began = time.perf_counter()
    program = subject.step.lower(subject.state, subject.constants, subject.batch)
    cost = program.cost_analysis() or {}
    return {
        "lowered_seconds": time.perf_counter() - began,
        "xla_flops": cost.get("flops"),
        "xla_bytes_accessed": cost.get("bytes accessed"),
    }


def timed(subject: Subject, options: argparse.Namespace) -> dict[str, Any]:
    """Times steps one by one, each waited for."""
    state, constants, batch = subject.made()
    times = []
    began = time.perf_counter()
    for number in range(2 + options.steps):
        start = time.perf_counter()
        state, metrics = subject.step(state, constants, batch)
        loss = float(metrics["loss"])
        times.append(time.perf_counter() - start)
        if number == 0:
            first = time.perf_counter() - began
    assert np.isfinite(loss)
    p50, p90 = np.percentile(times[2:], [50, 90])
    is_cpu = jax.default_backend() == "cpu"
    peaks = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in jax.devices()[: options.devices]]
    peak = None if None in peaks else max(peaks) / 2**30
    del state, constants, batch
    rate = (matrix_rate(512, 2) if is_cpu else matrix_rate()) * options.devices
    return {
        "first_step_s": first,
        "p50_ms": 1e3 * p50,
        "p90_ms": 1e3 * p90,
        "rows_per_s": subject.rows / p50,
        "tokens_per_s": subject.rows * subject.positions / p50,
        "matrix_rate": rate,
        "share_of_matrix_rate": operations(subject) / p50 / rate,
        "peak_gib": peak,
        "last_loss": loss,
    }


def add_row(out: Path, row: dict[str, Any]) -> None:
    """Behind those that are there."""
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"] if out.exists() else []
    write_json(out, {"rows": [*rows, row]})


if __name__ == "__main__":
    main()
