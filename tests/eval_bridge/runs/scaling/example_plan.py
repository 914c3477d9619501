"""A record of plans, quickly made."""

from dataclasses import replace

from eval_bridge.runs.scaling.plan_record import plan_record
from eval_bridge.runs.scaling.trainings import FULL_7B, POLICY, Training
from rsd_jax.distributed.cost_model.fit import MeasuredStep
from rsd_jax.distributed.cost_model.training_cost import Parameters, Stack, TrainingCost

SMALL = TrainingCost(
    flops_per_row=8e9,
    parameters=Parameters(0, 0, 0, 7_000_000),
    state_copies=5,
    activation_bytes_per_row=38e6,
    compute_bytes=2,
    stacks=(Stack(6, 168, 256),),
    most_fsdp=256,
    most_tensor=4,
    row_bytes=99392,
)
LARGE = replace(SMALL, flops_per_row=27e12, parameters=Parameters(0, 0, 0, 7 * 10**9), activation_bytes_per_row=12e9)
MEASURED = (MeasuredStep(1, 256, 18900.0), MeasuredStep(2, 512, 35800.0), MeasuredStep(2, 256, 28700.0, 2))


def example_plan(devices=(1, 2, 8, 64)):
    trainings = [Training(POLICY, SMALL, 256, 256), Training(FULL_7B, LARGE, 64, 8)]
    return plan_record(trainings, MEASURED, devices, between_hosts=50e9)
