"""Times OpenVLA-OFT's chunk, from frames on the host to actions on the host, beside PyTorch's of the same shapes.

    python -m launch.convert_openvla --random openvla_7b --dtype bfloat16 --out runs/random_7b
    python -m tests.benchmarks.openvla --run_dir runs/random_7b --out results/openvla_DEVICE.json
    python -m tests.benchmarks.openvla --run_dir runs/random_7b --out results/openvla_DEVICE.json --only tensor

Rows: the deployed call, the same left after some blocks, with products in 8 bits, in a batch, over several devices,
and PyTorch's, eager and compiled, in a process of its own behind them. What runs on one device is timed in turns. With
random weights times are those of the published ones, and what 8 bits cost in actions says little about theirs. Where a
row of one device cannot be had, the others are written before the command fails.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eval_bridge.decoding_benchmark.observations import of_patchwork
from eval_bridge.policies.compiled_policy import CompiledPolicy, LoadedModels, load_models
from eval_bridge.policies.compiler_options import compiler_options
from eval_bridge.policies.decoders import read_decoder
from eval_bridge.policies.interface import PolicyRequest
from eval_bridge.policies.latency import Latency, measure_interleaved
from eval_bridge.policies.random_streams import episode_key
from rsd_jax.atomic_files import write_json
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.provenance import device_name, git_commit, library_versions
from rsd_jax.stored_models import load_policy
from tests.benchmarks.openvla_operations import chunk_operations
from tests.benchmarks.policy_step_speed import matrix_rate

DECODER = "l1_regression"
TOWERS = ("language_model", "dinov2", "siglip")
PARTS = ("one_device", "tensor", "pytorch")


class Variant(NamedTuple):
    """A way to run the loaded policy: in which numbers, how far, how many rows."""

    dtype: str
    batch: int = 1
    exit_block: int | None = None
    in_eight_bits: tuple[str, ...] = ()

    def of(self, models: LoadedModels) -> LoadedModels:
        """The same policy, run so."""
        policy, arrays = models.networks.policy, models.arrays
        backbone = policy.backbone
        variables = arrays.policy
        if self.in_eight_bits:
            params = backbone.in_eight_bits(variables.backbone, self.in_eight_bits, self.dtype.partition(" ")[0])
            variables = dataclasses.replace(variables, backbone=params)
        network = dataclasses.replace(
            policy.network, backbone=dataclasses.replace(backbone, exit_block=self.exit_block)
        )
        networks = dataclasses.replace(models.networks, policy=dataclasses.replace(policy, network=network))
        return LoadedModels(networks, dataclasses.replace(arrays, policy=variables))


def variants(dtype: str, depth: int) -> list[Variant]:
    """What is timed on one device; the first is what the others are compared with."""
    language, towers = TOWERS[:1], TOWERS
    return [
        Variant(dtype),
        Variant(dtype, exit_block=max(1, depth // 4)),
        Variant(dtype, batch=8),
        Variant("float8_e4m3fn", in_eight_bits=language),
        Variant("float8_e4m3fn", batch=8, in_eight_bits=language),
        Variant("float8_e4m3fn with towers", in_eight_bits=towers),
        Variant("int8", in_eight_bits=language),
    ]


def main() -> None:
    """Command line."""
    arguments = parsed_arguments()
    report: dict[str, Any] = {"rows": [], "acceptance_curves": [], "load_seconds": None, "parity": None}
    if arguments.out.exists():
        report |= json.loads(arguments.out.read_text(encoding="utf-8"))
    made_by = {"commit": git_commit(), "versions": library_versions(), "device": device_name()}
    if report.get("device", made_by["device"]) != made_by["device"]:
        raise SystemExit(f"error: {arguments.out} is of {report['device']}, and this is {made_by['device']}")
    for part in arguments.only:
        for found in {"one_device": on_one_device, "tensor": on_several_devices, "pytorch": in_pytorch}[part](
            arguments
        ):
            row = found.pop("row", None)
            report |= found | made_by
            if row is not None:
                report["rows"] = [each for each in report["rows"] if named(each) != named(row)] + [row]
                print(json.dumps(row), flush=True)
            write_json(arguments.out, report)


def parsed_arguments() -> argparse.Namespace:
    """The command line's values."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run_dir", type=Path, required=True, help="of launch.convert_openvla")
    parser.add_argument("--out", type=Path, required=True, help="JSON file; rows of other parts in it are kept")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--devices", type=int, default=jax.device_count(), help="of the part tensor (default: all)")
    parser.add_argument("--repeats", type=int, default=100)
    return parser.parse_args()


def named(row: dict[str, Any]) -> tuple[Any, ...]:
    """What no two rows have in common."""
    return tuple(row[key] for key in ("implementation", "decoder", "batch", "dtype", "exit_block", "devices"))


def on_one_device(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rows of the deployed call, how long loading takes, and the floor of the arithmetic."""
    decoder = read_decoder(DECODER)
    seconds, models = [], None
    for _ in range(2):  # the second time the files are in memory
        del models
        started = time.perf_counter()
        models = load_models(arguments.run_dir, decoder)
        jax.block_until_ready(models.arrays.policy.backbone)
        seconds.append(time.perf_counter() - started)
    yield {"load_seconds": seconds[1]}
    backbone = models.networks.policy.backbone
    kinds = variants(backbone.compute_dtype, backbone.sizes.language.depth)
    calls: dict[Variant, Callable[[], Any]] = {}
    for kind in kinds:
        policy = CompiledPolicy(decoder, kind.of(models), kind.batch)
        calls[kind] = partial(policy.act_batch, requests_of(policy, kind.batch))
        if kind == kinds[0]:  # what it takes at most, before anything else is there
            calls[kind]()
            peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    with ThreadPoolExecutor() as pool:  # which compile side by side
        asked = {kind: pool.submit(call) for kind, call in calls.items()}
    failures = {kind: future.exception() for kind, future in asked.items() if future.exception() is not None}
    if kinds[0] in failures:
        raise failures[kinds[0]]
    kinds = [kind for kind in kinds if kind not in failures]
    actions = {kind: asked[kind].result()[0].output.actions for kind in kinds}
    latencies = measure_interleaved({kind: calls[kind] for kind in kinds}, arguments.repeats, warm_up=3)
    stages = stage_times(models, arguments.repeats)
    rate = matrix_rate() if jax.default_backend() == "gpu" else matrix_rate(512, 2)
    for kind in kinds:
        operations = chunk_operations(dataclasses.replace(backbone, exit_block=kind.exit_block), kind.batch)
        row = row_of(arguments, kind.dtype, kind.batch, latencies[kind], exit_block=kind.exit_block)
        if kind == kinds[0]:
            row |= {"stages_ms": stages, "peak_gib": peak and peak / 2**30}
        if kind.in_eight_bits:
            row["action_error"] = error_of(actions[kind], actions[kinds[0]])
        yield {"row": row | {"operations": operations, "floor_ms": 1e3 * operations / rate}, "matrix_rate": rate}
    if failures:
        raise ExceptionGroup(f"not timed: {', '.join(map(str, failures))}", list(failures.values()))


def requests_of(policy: CompiledPolicy, rows: int) -> dict[int, PolicyRequest]:
    """A request for every row: patchwork in place of frames."""
    seen = of_patchwork(rows, policy.observation_needs)
    return {row: PolicyRequest(each.observation, episode_key(0, 0, row)) for row, each in enumerate(seen)}


def stage_times(models: LoadedModels, repeats: int) -> dict[str, float]:
    """Medians of the parts of one chunk, each compiled for itself and given what the part before it made."""
    policy, variables = models.networks.policy, models.arrays.policy
    backbone: OpenVlaBackbone = policy.backbone
    deployed = CompiledPolicy(read_decoder(DECODER), models)
    requests = requests_of(deployed, 1)
    inputs = deployed.preprocess(requests)
    depth = backbone.depth
    prepare = compiled(partial(backbone.prepare, variables.proprio))
    enter = compiled(lambda params, prepared: backbone.apply("enter", params, *prepared))
    blocks = compiled(lambda params, tokens: backbone.apply("run_blocks", params, tokens, 0, depth))
    head = compiled(lambda variables, tokens: policy.teacher_actions(variables, read(backbone, variables, tokens)))
    prepared = prepare(inputs)
    entered = enter(variables.backbone, prepared)
    left = blocks(variables.backbone, entered)
    calls = {
        "preprocess": lambda: deployed.preprocess(requests),
        "prepare_frames": lambda: prepare(inputs),
        "towers_and_projector": lambda: enter(variables.backbone, prepared),
        "language_blocks": lambda: blocks(variables.backbone, entered),
        "read_out_and_head": lambda: head(variables, left),
    }
    return {name: latency.p50 for name, latency in measure_interleaved(calls, repeats, warm_up=3).items()}


def read(backbone: OpenVlaBackbone, variables: Any, tokens: Any) -> jax.Array:
    """Features of a sequence behind the last block."""
    states = backbone.apply("read", variables.backbone, tokens)
    return states.astype(jnp.float32).reshape(len(states), backbone.chunk_length, backbone.width)


def on_several_devices(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row of one chunk at a time, its products divided over all devices (tensor parallel)."""
    if arguments.devices < 2:
        print("tensor: left out, there is one device", flush=True)
        return
    mesh = make_mesh(MeshConfig(data=1, fsdp=1, tensor=arguments.devices))
    policy = load_policy(arguments.run_dir, mesh)
    example = CompiledPolicy(read_decoder(DECODER), load_models(arguments.run_dir, read_decoder(DECODER)))
    inputs = jax.tree.map(np.asarray, example.preprocess(requests_of(example, 1)))
    del example

    def act(variables: Any, inputs: PolicyInputs) -> jax.Array:
        return policy.teacher_actions(variables, policy.features(variables, inputs))

    call = compiled(act)
    calls = {"chunk": lambda: np.asarray(call(policy.variables, inputs))}
    latency = measure_interleaved(calls, arguments.repeats, warm_up=3)["chunk"]
    dtype = policy.backbone.compute_dtype
    yield {"row": row_of(arguments, dtype, 1, latency, devices=arguments.devices)}


def in_pytorch(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rows of PyTorch, in a process of its own: this one keeps its memory, and its threads wait."""
    policy = load_policy(arguments.run_dir, with_backbone=False)
    sizes = "tiny" if policy.backbone.sizes.language.depth < 32 else "openvla_7b"
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        asked = ("--sizes", sizes, "--repeats", str(arguments.repeats), "--out", file.name)
        subprocess.run([sys.executable, "-m", "tests.benchmarks.openvla_pytorch", *asked], check=True)
        for found in json.loads(Path(file.name).read_text(encoding="utf-8")):
            latency = Latency(*found["latency"])
            row = row_of(arguments, found["dtype"], 1, latency, implementation=found["implementation"])
            yield {"row": row | {"peak_gib": found["peak_gib"]}, "pytorch": found["version"]}


def row_of(
    arguments: argparse.Namespace,
    dtype: str,
    batch: int,
    latency: Latency,
    implementation: str = "rsd_jax",
    exit_block: int | None = None,
    devices: int = 1,
) -> dict[str, Any]:
    """A row with every key."""
    return {
        "implementation": implementation,
        "model": f"{arguments.run_dir.name}, random weights",
        "decoder": DECODER,
        "batch": batch,
        "dtype": dtype,
        "exit_block": exit_block,
        "devices": devices,
        "p50_ms": latency.p50,
        "p90_ms": latency.p90,
        "p99_ms": latency.p99,
        "chunks_per_s": 1e3 * batch / latency.p50,
        "stages_ms": None,
        "peak_gib": None,
        "acceptance_from": None,
        "action_error": None,
        "operations": None,
        "floor_ms": None,
    }


def error_of(found: np.ndarray, exact: np.ndarray) -> dict[str, float]:
    """Difference of motion actions, in the actions' units."""
    difference = np.abs(found - exact)[..., :-1]
    return {"mean": float(difference.mean()), "largest": float(difference.max())}


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, compiled as policies are."""
    return jax.jit(function, compiler_options=compiler_options())


if __name__ == "__main__":
    main()
