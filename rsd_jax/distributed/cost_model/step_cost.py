"""Memory and seconds of one step on a mesh.

After Rajbhandari et al. 2020 (ZeRO, arXiv 1910.02054) for the data and fsdp axes, Shoeybi et al. 2019 (Megatron-LM,
arXiv 1909.08053) for the tensor axis, and Austin et al. 2025, "How to Scale Your Model"
(jax-ml.github.io/scaling-book), chapter "How to Parallelize a Transformer for Training", for all three together.
"""

import math
from dataclasses import replace
from typing import NamedTuple

from rsd_jax.distributed.cost_model.collectives import all_reduce_seconds, group_of, one_way_seconds
from rsd_jax.distributed.cost_model.machine import Link, Machine
from rsd_jax.distributed.cost_model.training_cost import FLOAT32, TrainingCost
from rsd_jax.distributed.mesh import MeshConfig

SHARED_BY_TENSOR = 24 / 34
"""Of a transformer block's activations what the tensor axis divides: Korthikanti et al. 2022, arXiv 2205.05198,
equation (2) without its attention matrices. The inputs of normalizations and of the block stay whole."""

ALL_REDUCES_OF_A_BLOCK = 4
"""Over the tensor axis, a block and step: behind attention and MLP, forward and backward (Megatron-LM, section 3)."""

UPDATE_PASSES = 2
"""Times that an optimizer step moves what it keeps of a parameter: read, and written."""


class Rates(NamedTuple):
    """What is reached, and can be fitted.

    Attributes:
        constant: seconds of a step that depend on nothing: dispatch, and kernels too small to fill the device.
        matrix_rate: operations a second of a device.
        network_share: of the links' rate.
    """

    constant: float
    matrix_rate: float
    network_share: float


class StepSeconds(NamedTuple):
    """Where the time of a step goes, each part for itself.

    Attributes:
        constant: see `Rates`. update: of the parameters, by the optimizer. compute: forward and backward.
        data, fsdp, tensor: of the network, over each mesh axis.
    """

    constant: float
    update: float
    compute: float
    data: float
    fsdp: float
    tensor: float

    @property
    def nothing_hidden(self) -> float:
        """One after the other: the longest that a step may take."""
        return sum(self)

    @property
    def all_hidden(self) -> float:
        """Gradients and parameters travel while something is computed; what the tensor axis adds up is waited for."""
        return self.constant + self.update + self.tensor + max(self.compute, self.data + self.fsdp)

    @property
    def longest(self) -> str:
        """What takes longest: a field's name."""
        return max(self._fields, key=lambda name: getattr(self, name))


def device_bytes(cost: TrainingCost, mesh: MeshConfig, rows: int) -> float:
    """Memory of a device: state, parameters to compute with, and activations of its `rows`.

    The parameters to compute with are counted whole but for the tensor axis, as if none were dropped between forward
    and backward pass.
    """
    parameters = cost.parameters
    state = FLOAT32 * cost.state_copies * parameters.on_device(mesh.fsdp, mesh.tensor)
    computed_with = cost.compute_bytes * (parameters.gathered(mesh.tensor) + parameters.kept_whole(mesh.tensor))
    kept = 1 - SHARED_BY_TENSOR + SHARED_BY_TENSOR / mesh.tensor
    return state + computed_with + rows * cost.activation_bytes_per_row * kept


def step_seconds(cost: TrainingCost, mesh: MeshConfig, rows: int, machine: Machine, rates: Rates) -> StepSeconds:
    """Seconds of a step.

    Args:
        cost: of the training.
        mesh: sizes of the axes, none of them -1.
        rows: of a device, which are the same ones along the tensor axis.
        machine: with its links.
        rates: what is reached.
    """
    parameters, share = cost.parameters, rates.network_share
    own = parameters.on_device(mesh.fsdp, mesh.tensor)
    tensor = group_of(mesh.tensor, 1, machine.devices_per_host)
    fsdp = group_of(mesh.fsdp, mesh.tensor, machine.devices_per_host)
    data = group_of(mesh.data, mesh.tensor * mesh.fsdp, machine.devices_per_host)
    blocks = max(1, sum(stack.blocks for stack in cost.stacks))

    gathered = parameters.gathered(mesh.tensor)
    # Parameters are collected for the forward and the backward pass, and gradients added up and divided.
    over_fsdp = one_way_seconds(2 * cost.compute_bytes * gathered, fsdp, machine, share, 2 * blocks)
    over_fsdp += one_way_seconds(FLOAT32 * gathered, fsdp, machine, share, blocks)
    over_fsdp += all_reduce_seconds(FLOAT32 * parameters.kept_whole(mesh.tensor), fsdp, machine, share)
    over_tensor = 0.0
    for stack in cost.stacks:
        reduces = ALL_REDUCES_OF_A_BLOCK * stack.blocks
        size = cost.compute_bytes * rows * stack.tokens * stack.width
        over_tensor += all_reduce_seconds(reduces * size, tensor, machine, share, reduces)
    return StepSeconds(
        constant=rates.constant,
        update=UPDATE_PASSES * FLOAT32 * cost.state_copies * own / machine.copy_rate,
        compute=rows * cost.flops_per_row / mesh.tensor / rates.matrix_rate,
        data=all_reduce_seconds(FLOAT32 * own, data, machine, share),
        fsdp=over_fsdp,
        tensor=over_tensor,
    )


def between_hosts_bytes(cost: TrainingCost, mesh: MeshConfig, rows: int, machine: Machine) -> float:
    """Bytes that each device sends to other hosts in a step; `rows` are those of all devices."""
    # Seconds at a byte a second, where everything else takes no time.
    counting = replace(machine, inside=Link(math.inf, 0.0), between=Link(1.0, 0.0))
    own = rows // (mesh.data * mesh.fsdp)
    seconds = step_seconds(cost, mesh, own, counting, Rates(constant=0.0, matrix_rate=math.inf, network_share=1.0))
    return seconds.data + seconds.fsdp + seconds.tensor
