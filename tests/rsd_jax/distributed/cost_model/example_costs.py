"""A training and a machine of round numbers, so that every result can be checked by hand."""

from dataclasses import replace

from rsd_jax.distributed.cost_model.machine import Link, Machine
from rsd_jax.distributed.cost_model.training_cost import Parameters, Stack, TrainingCost

MACHINE = Machine(
    matrix_rate=1e12,
    copy_rate=1e12,
    memory_bytes=1e9,
    inside=Link(1e9, 0.0),
    between=Link(1e8, 0.0),
    devices_per_host=4,
    usable_share=1.0,
)

WITH_LATENCY = replace(MACHINE, inside=Link(1e9, 1e-3), between=Link(1e8, 1e-2))

COST = TrainingCost(
    flops_per_row=1e9,
    parameters=Parameters(whole=0, by_fsdp=0, by_tensor=0, by_both=10**6),
    state_copies=5,
    activation_bytes_per_row=34e6,
    compute_bytes=2,
    stacks=(Stack(blocks=2, tokens=10, width=100),),
    most_fsdp=4,
    most_tensor=4,
    row_bytes=100,
)
"""A million parameters: 4 MB of gradients, 20 MB of state."""
