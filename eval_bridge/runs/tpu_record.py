"""What training and acting take of TPUs, program by program, as ``results/tpu.json`` holds it."""

import json
import time
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from eval_bridge.runs.ahead_of_time_programs import chunk_programs, policy_programs
from rsd_jax.atomic_files import write_json
from rsd_jax.distributed.ahead_of_time import compile_ahead, topology_devices, tpu_compiler_version
from rsd_jax.provenance import git_commit, library_versions


def compile_for_topology(
    topology: str, policies: Mapping[str, Mapping[str, Any]], tell: Callable[[str], None]
) -> dict[str, dict[str, int]]:
    """Compiles all programs for a topology.

    Args:
        topology: see `topology_devices`.
        policies: values of configurations of policies, by name.
        tell: is given a line for every program when it is compiled.

    Returns:
        ``hbm_bytes`` and ``flops`` of a device, by program.

    Raises:
        NoCompilerError: there is no compiler for TPUs.
        ValueError: there is no such topology, or a configuration is not a policy's.
    """
    devices = topology_devices(topology)
    tell(f"{topology}: {len(devices)} x {devices[0].device_kind}")
    costs = {}
    programs = chain(*(policy_programs(name, values, devices) for name, values in policies.items()))
    for program in chain(programs, chunk_programs(devices)):
        began = time.monotonic()
        cost = compile_ahead(program.lowered)
        costs[program.name] = cost._asdict()
        size, operations = f"{cost.hbm_bytes / 2**20:9.1f} MiB", f"{cost.flops / 1e9:10.2f} GFLOP"
        tell(f"  {program.name:<36}{size}{operations} a device, compiled in {time.monotonic() - began:.0f} s")
    return costs


def add_topology(path: Path, topology: str, costs: Mapping[str, Mapping[str, int]]) -> None:
    """Writes a topology into the record; others stay there if the same code and versions made them.

    Raises:
        OSError: it cannot be read or written.
    """
    made_by = {"commit": git_commit(), "versions": {**library_versions(), "libtpu": tpu_compiler_version()}}
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    is_same = {name: record.get(name) for name in made_by} == made_by
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"topologies": {**(record["topologies"] if is_same else {}), topology: costs}, **made_by})
