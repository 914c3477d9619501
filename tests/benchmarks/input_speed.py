"""Times how fast rows reach a compiled program that augments their images: from memory, disk, and the device itself.

    python -m tests.benchmarks.input_speed --device cuda --out input.json
    python -m tests.benchmarks.input_speed --device cpu --out input.json --rows 512 --batches 8 --image-size 64

A row is one of the policy's: two cameras of 128 pixels, state, instruction, chunk of actions, mask; 98.7 kB. The time
of a batch runs from the end of the one before to its own, augmented, on the device; what was gathered ahead while
nothing ran is used up before the first that counts. No path from the host is faster than its memory can be copied, or
than the device takes it: both are measured first. Every path's batches are compared bit for bit.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

if "cpu" in sys.argv:
    os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np

from rsd_jax.backbones.image_preprocessing import AugmentationConfig, augment_images, prepare_images
from rsd_jax.backbones.instruction import INSTRUCTION_LENGTH
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.training.row_sources import Dispatch, ResidentRows, RowOrder, Rows, RowSource, StreamedRows
from rsd_jax.training.row_sources.interface import row_bytes
from rsd_jax.training.row_sources.row_files import RowWriter, stored_rows

BLOCK = 1000  # rows made and written at once
COMPARED_STEPS = 24


def main() -> None:
    arguments = parsed_arguments()
    folder = Path(tempfile.mkdtemp(prefix="input_speed_", dir=arguments.folder))
    try:
        report = measure(arguments, folder)
    finally:
        shutil.rmtree(folder)
    for case in report["results"]:
        print(
            f"{case['path']:<12}{case['threads'] or '':>4}{case['steps_per_dispatch']:>4}"
            f"{case['samples_per_second']:>12,.0f} samples/s{case['gigabytes_per_second']:>8.2f} GB/s"
            f"{case['p50_ms']:>9.2f}{case['p99_ms']:>9.2f} ms"
        )
    print(json.dumps({key: report[key] for key in ("floors", "temporary_bytes", "identical", "loader_samples_per_s")}))
    if not all(report["identical"].values()):
        sys.exit("error: paths gave different batches")


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--rows", type=int, default=40_000, help="98.6 kB each")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--batches", type=int, default=400, help="measured of every path")
    parser.add_argument("--most-seconds", type=float, default=8.0, help="a path stops after this long")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--steps", type=int, default=8, help="of the dispatches of several steps")
    parser.add_argument("--image-size", type=int, default=128, help="side of the augmented images")
    parser.add_argument("--consumer", choices=("augmentation", "nothing"), default="augmentation")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; the system's temporary one by default")
    arguments = parser.parse_args()
    if jax.default_backend() != {"cuda": "gpu", "cpu": "cpu"}[arguments.device]:
        parser.error(f"--device {arguments.device}: JAX runs on {jax.default_backend()!r}")
    return arguments


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Runs every case; the report so far is on disk after each."""
    mesh, order = make_mesh(MeshConfig()), RowOrder(arguments.rows, arguments.batch, seed=0)
    started = time.perf_counter()
    rows = make_rows(arguments.rows)
    write_rows(rows, folder / "rows")
    report: dict[str, Any] = {
        **surroundings(arguments, rows),
        "seconds_to_make_rows": time.perf_counter() - started,
        "floors": floors(rows["images"], arguments),
        "results": [],
        "identical": {},
        "temporary_bytes": {},
    }
    consume = make_consumer(arguments)
    expected = expected_digests(rows, order)
    most = max(arguments.threads)

    def run(path: str, source: RowSource, threads: int = 0, steps: int = 1, batches: int | None = None) -> None:
        if steps == 1 and path != "disk, cold":
            report["identical"][f"{path}, {threads} threads" if threads else path] = digests(source) == expected
        call = make_call(source, consume, steps)
        if isinstance(source, ResidentRows):
            report["temporary_bytes"][f"{path}, {steps} steps"] = temporary_bytes(source, call, steps)
        seconds = timed(source, call, batches or arguments.batches, steps, threads, arguments.most_seconds)
        add(path, seconds, threads, steps)

    def add(path: str, seconds: list[float], threads: int, steps: int) -> None:
        report["results"].append(summary(path, seconds, threads, steps, arguments, row_bytes(rows), report["floors"]))
        paths = [case for case in report["results"] if not case["path"].startswith(("in turn", "consumer"))]
        report["loader_samples_per_s"] = {
            path: max(case["samples_per_second"] for case in paths if case["path"] == path)
            for path in dict.fromkeys(case["path"] for case in paths)
        }
        arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        print(json.dumps(report["results"][-1]), flush=True)

    # Nothing may have mapped the files yet: pages that are mapped stay in memory.
    drop_from_cache(folder / "rows")
    once = max(2, arguments.rows // arguments.batch - warm_up(most))
    run("disk, cold", StreamedRows(open_rows(folder), order, mesh, most), most, batches=once)
    add("consumer", timed_consumer(rows, order, consume, arguments), 0, 1)
    add("in turn", timed_in_turn(rows, order, consume, arguments), 1, 1)
    for threads in arguments.threads:
        run("host", StreamedRows(rows, order, mesh, threads), threads)
        run("disk", StreamedRows(open_rows(folder), order, mesh, threads), threads)
    run("host", StreamedRows(rows, order, mesh, most), most, steps=arguments.steps)
    for is_split in (False, True):
        source = ResidentRows(rows, order, mesh, is_split)
        for steps in (1, arguments.steps):
            run("device, split" if is_split else "device", source, steps=steps)
        del source
    return report


def make_rows(count: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    images = np.empty((count, 2, 128, 128, 3), np.uint8)
    for start in range(0, count, BLOCK):
        block = images[start : start + BLOCK]
        block[...] = generator.integers(0, 256, block.shape, np.uint8)
    return {
        "images": images,
        "proprio": generator.normal(size=(count, 8)).astype(np.float32),
        "instruction_ids": generator.integers(0, 1000, (count, INSTRUCTION_LENGTH), np.int32),
        "actions": generator.normal(size=(count, 8, 7)).astype(np.float32),
        "mask": generator.random((count, 8)) < 0.9,
    }


def write_rows(rows: Rows, folder: Path) -> None:
    def write(writer: RowWriter) -> None:
        for start in range(0, len(rows["mask"]), BLOCK):
            writer.append({name: array[start : start + BLOCK] for name, array in rows.items()})

    stored_rows(folder, write)


def open_rows(folder: Path) -> Rows:
    def missing(writer: RowWriter) -> None:
        raise AssertionError("the rows are there")

    return stored_rows(folder / "rows", missing)


def drop_from_cache(folder: Path) -> None:
    """Asks the system to forget the files; what the machine's own disk remembers is out of reach."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def make_consumer(arguments: argparse.Namespace) -> Callable[[Any, jax.Array], jax.Array]:
    """What a training step does first with a batch, and a sum that reads all of it; or next to nothing."""

    def consume(batch: dict[str, jax.Array], key: jax.Array) -> jax.Array:
        pixels = augment_images(key, prepare_images(batch["images"], arguments.image_size), AugmentationConfig())
        rest = sum(jnp.sum(array.astype(jnp.float32)) for name, array in batch.items() if name != "images")
        return jnp.sum(pixels) + rest

    def touch(batch: dict[str, jax.Array], key: jax.Array) -> jax.Array:
        return jnp.sum(batch["images"][:, 0, 0, 0].astype(jnp.float32))

    return consume if arguments.consumer == "augmentation" else touch


def make_call(source: RowSource, consume: Callable[[Any, jax.Array], jax.Array], steps: int) -> Any:
    """Compiles the consumer of one batch, or of several after each other."""

    def one(total: jax.Array, key: jax.Array, resident: Any, fed: Any) -> jax.Array:
        return total + consume(source.read(resident, fed), key)

    def several(total: jax.Array, key: jax.Array, resident: Any, fed: Any) -> jax.Array:
        keys = jax.random.split(key, steps)
        return jax.lax.scan(lambda t, x: (one(t, x[0], resident, x[1]), None), total, (keys, fed))[0]

    return jax.jit(one if steps == 1 else several)


def timed(source: RowSource, call: Any, batches: int, steps: int, threads: int, most_seconds: float) -> list[float]:
    """Seconds of each batch."""
    unmeasured = warm_up(threads)
    dispatches = [Dispatch(number * steps, steps) for number in range(unmeasured + max(2, batches // steps))]
    with closing(source.feed(dispatches)) as feed:
        calls = (partial(call, key=jax.random.key(0), resident=source.resident, fed=fed) for fed in feed)
        return [second / steps for second in seconds_of(calls, unmeasured, most_seconds)]


def temporary_bytes(source: RowSource, call: Any, steps: int) -> int:
    """What a call takes beside its arguments: less than the tables, or it copies them."""
    with closing(source.feed([Dispatch(0, steps)])) as feed:
        program = call.lower(jnp.zeros(()), jax.random.key(0), source.resident, next(feed)).compile()
    return int(program.memory_analysis().temp_size_in_bytes)


def timed_consumer(rows: Rows, order: RowOrder, consume: Any, arguments: argparse.Namespace) -> list[float]:
    """The consumer on one batch that stays on the device: the ceiling of all paths."""
    index = order.indices(Dispatch(0, 1))
    batch = jax.device_put({name: array[index] for name, array in rows.items()})
    call = jax.jit(lambda total, key, batch: total + consume(batch, key))
    calls = (partial(call, key=jax.random.key(0), batch=batch) for _ in range(arguments.batches + warm_up(0)))
    return seconds_of(calls, warm_up(0), arguments.most_seconds)


def timed_in_turn(rows: Rows, order: RowOrder, consume: Any, arguments: argparse.Namespace) -> list[float]:
    """Gathering, copying and computing one after the other in one thread, as a plain loop would."""
    call = jax.jit(lambda total, key, batch: total + consume(batch, key))

    def calls() -> Iterator[Callable[..., jax.Array]]:
        for step in range(arguments.batches + warm_up(0)):
            index = order.indices(Dispatch(step, 1))
            batch = jax.block_until_ready(jax.device_put({name: array[index] for name, array in rows.items()}))
            yield partial(call, key=jax.random.key(0), batch=batch)

    return seconds_of(calls(), warm_up(0), arguments.most_seconds)


def warm_up(threads: int) -> int:
    """Calls that are not counted: the first compiles, while threads fill their buffer of twice their number."""
    return 2 * threads + 4


def seconds_of(calls: Iterator[Callable[..., jax.Array]], unmeasured: int, most_seconds: float) -> list[float]:
    """Seconds from one call's result to the next; one call is always under way while its successor is fetched."""
    total, times, started = jnp.zeros(()), [], 0.0
    for number, call in enumerate(calls):
        before, total = total, call(total)
        before.block_until_ready()
        times.append(time.perf_counter())
        started = times[-1] if number == unmeasured else started
        if number > unmeasured + 4 and times[-1] - started > most_seconds:
            break
    return np.diff(times[unmeasured:]).tolist()


def digests(source: RowSource) -> list[str]:
    """Of the first batches, as they come back from the device."""
    dispatches = [Dispatch(step, 1) for step in range(COMPARED_STEPS)]
    read = jax.jit(source.read)
    with closing(source.feed(dispatches)) as feed:
        return [digest(jax.device_get(read(source.resident, fed))) for fed in feed]


def expected_digests(rows: Rows, order: RowOrder) -> list[str]:
    """Of what NumPy picks."""
    indices = (order.indices(Dispatch(step, 1)) for step in range(COMPARED_STEPS))
    return [digest({name: array[index] for name, array in rows.items()}) for index in indices]


def digest(batch: dict[str, np.ndarray]) -> str:
    bits = hashlib.blake2b()
    for name, array in sorted(batch.items()):
        bits.update(f"{name} {array.dtype} {array.shape}".encode())
        bits.update(np.ascontiguousarray(array).data)
    return bits.hexdigest()


def floors(images: np.ndarray, arguments: argparse.Namespace) -> dict[str, float]:
    """Bytes per second: copies within the host's memory, and from there to the device."""
    size = min(images.nbytes, 2**30 if arguments.device == "cuda" else 2**27)
    source, target = images.reshape(-1)[:size], np.empty(size, np.uint8)
    cores = min(max(arguments.threads), os.cpu_count() or 1)
    pieces = list(zip(np.array_split(source, cores), np.array_split(target, cores), strict=True))
    with ThreadPoolExecutor(cores) as threads:
        together = fastest(lambda: list(threads.map(lambda pair: np.copyto(pair[1], pair[0]), pieces)))
    batch = np.ascontiguousarray(images[: arguments.batch])
    several = [batch.copy() for _ in range(4)]
    return {
        "memcpy_one_thread": size / fastest(lambda: np.copyto(target, source)),
        f"memcpy_{cores}_threads": size / together,
        "memcpy": size / together,
        "host_to_device_one_batch": batch.nbytes / fastest(lambda: jax.block_until_ready(jax.device_put(batch))),
        "host_to_device": 4 * batch.nbytes / fastest(lambda: jax.block_until_ready(jax.device_put(several))),
    }


def fastest(operation: Callable[[], Any], repeats: int = 7) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        operation()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def summary(
    path: str,
    seconds: list[float],
    threads: int,
    steps: int,
    arguments: argparse.Namespace,
    bytes_of_row: int,
    known: dict[str, float],
) -> dict[str, Any]:
    p50, p99 = np.percentile(seconds, [50, 99])
    samples_per_second = arguments.batch * len(seconds) / sum(seconds)
    bytes_per_second = samples_per_second * bytes_of_row
    return {
        "path": path,
        "threads": threads,
        "steps_per_dispatch": steps,
        "batches": len(seconds) * steps,
        "samples_per_second": samples_per_second,
        "p50_ms": 1e3 * float(p50),
        "p99_ms": 1e3 * float(p99),
        "gigabytes_per_second": bytes_per_second / 1e9,
        "share_of_memcpy": bytes_per_second / known["memcpy"],
        "share_of_host_to_device": bytes_per_second / known["host_to_device"],
    }


def surroundings(arguments: argparse.Namespace, rows: Rows) -> dict[str, Any]:
    return {
        "device": jax.devices()[0].device_kind,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in ("jax", "jaxlib", "numpy", "grain")},
        "rows": arguments.rows,
        "row_bytes": row_bytes(rows),
        "batch": arguments.batch,
        "image_size": arguments.image_size,
        "consumer": arguments.consumer,
    }


if __name__ == "__main__":
    main()
