"""How XLA compiles the programs that a policy runs at every call."""

import jax

_GRAPH_COMMANDS = (
    *("FUSION", "CUBLAS", "CUBLASLT", "CUSTOM_CALL", "CUDNN", "DYNAMIC_SLICE_FUSION"),
    *("CONDITIONAL", "WHILE"),
)
"""What CUDA graphs hold. By default branches and loops are not among it: the host then waits for each decision."""

_SCHEDULE = "CONCURRENT"
"""Kernels of a graph that do not wait for each other run side by side: both cameras, say."""


def compiler_options() -> dict[str, str | int] | None:
    """Of `jax.jit`, for the default device: on a GPU whatever can be launched at once is, however little it is.

    At batch 1 a policy is a few hundred kernels of one or two microseconds each. Launched one by one they take four
    times as long.
    """
    if jax.default_backend() != "gpu":
        return None
    return {
        "xla_gpu_enable_command_buffer": ",".join(_GRAPH_COMMANDS),
        "xla_gpu_graph_min_graph_size": 1,
        "xla_gpu_command_buffer_scheduling_mode": _SCHEDULE,
    }
