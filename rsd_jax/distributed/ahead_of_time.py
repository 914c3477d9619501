"""Programs compiled for devices that are not there: TPUs, on any machine with their compiler (`libtpu`)."""

import os
import resource
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

import jax
from jax.experimental import topologies
from jax.sharding import Sharding
from jax.stages import Lowered

from rsd_jax.array_types import PyTree

_LIBRARY = "TPU_LIBRARY_PATH"

_WITHOUT_A_MACHINE = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
"""So that the compiler asks no cloud for its machine, at length, and keeps no TPU for itself."""


class ProgramCost(NamedTuple):
    """What a compiled program takes of every device.

    Attributes:
        hbm_bytes: arguments, results, and what it needs in between; memory that is used twice counts once.
        flops: operations, as XLA counts them.
    """

    hbm_bytes: int
    flops: int


class NoCompilerError(ValueError):
    """There is no compiler for these devices here."""


def restart_with_deep_stacks() -> None:
    """Begins this process anew without a bound on its stacks, unless there is none, or none can be lifted.

    The compiler's threads need more for some programs than the usual 8 MiB, and end the process. How much they get is
    settled when a process begins.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_STACK, (hard, hard))
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def has_tpu_compiler() -> bool:
    """Whether programs can be compiled for TPUs here."""
    return _library() is not None


def tpu_compiler_version() -> str:
    """Version of `libtpu`.

    Raises:
        NoCompilerError: there is none, or its version is not told where it lies.
    """
    library = _require_library()
    for distribution in distributions(name="libtpu", path=[str(library.parents[1])]):
        return distribution.version
    raise NoCompilerError(f"{library}: no package libtpu lies there, so that its version cannot be told")


def _library() -> Path | None:
    """That of `make set-up-tpu`, or another one that ``TPU_LIBRARY_PATH`` names."""
    named = os.environ.get(_LIBRARY)
    library = Path(named) if named else Path(sys.prefix) / "tpu" / "libtpu" / "libtpu.so"
    return library if library.is_file() else None


def _require_library() -> Path:
    library = _library()
    if library is None:
        raise NoCompilerError(
            f"there is no compiler for TPUs: make set-up-tpu, or name the libtpu.so of another place in {_LIBRARY}"
        )
    return library


def topology_devices(name: str) -> list[jax.Device]:
    """The devices of a TPU topology, to compile for and not to compute on; this process then computes on the CPU.

    Args:
        name: generation and shape, such as ``v5e:2x4`` (8 devices), ``v6e:4x4``, ``v5p:2x2x4`` (16).

    Raises:
        NoCompilerError: there is no `libtpu`.
        ValueError: there is no such topology.
    """
    os.environ[_LIBRARY] = str(_require_library())
    jax.config.update("jax_platforms", "cpu")  # or JAX would look for TPUs, and wait for them
    for variable, value in _WITHOUT_A_MACHINE.items():
        os.environ.setdefault(variable, value)
    try:
        return list(topologies.get_topology_desc(name, "tpu").devices)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"no TPU topology {name!r}: {error}; write GENERATION:SHAPE, such as v5e:2x4, v6e:2x4 or v5p:2x2x4"
        ) from error


def on_devices(tree: PyTree, sharding: Sharding) -> PyTree:
    """Shapes and types of the arrays of `tree`, as they would lie on devices that are not there."""
    return jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding), tree)


def compile_ahead(program: Lowered) -> ProgramCost:
    """Compiles a lowered program for the devices that its arguments name.

    Raises:
        RuntimeError: it does not fit them, or needs what they do not have.
    """
    compiled = program.compile()
    memory, cost = compiled.memory_analysis(), compiled.cost_analysis()
    assert memory is not None
    assert cost is not None
    used = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    return ProgramCost(
        int(used + memory.temp_size_in_bytes + memory.generated_code_size_in_bytes), int(cost.get("flops", 0))
    )
