from dataclasses import replace

import pytest

from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.dispatches import plan_dispatches

CONFIG = TrainingConfig(steps=23, batch_size=2, learning_rate=1.0, evaluate_every=8, checkpoint_every=10)
BORDERS = [8, 10, 16, 20, 23]


@pytest.mark.parametrize(("steps_per_dispatch", "size"), [(1, 1), (3, 3), (7, 7), (100, 8)])
@pytest.mark.parametrize("begin", [0, 9, 16])
def test_dispatches_have_one_size_and_single_steps_lead_to_a_border(steps_per_dispatch, size, begin):
    step = begin
    for dispatch in plan_dispatches(begin, replace(CONFIG, steps_per_dispatch=steps_per_dispatch)):
        assert dispatch.step == step
        border = next(border for border in BORDERS if border > step)
        assert dispatch.num_steps == (size if step + size <= border else 1)
        step += dispatch.num_steps
    assert step == 23


def test_a_finished_run_has_none():
    assert plan_dispatches(23, CONFIG) == []
