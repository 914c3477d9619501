import numpy as np
import pytest

from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.distributed.sharding_rules import batch_sharding
from rsd_jax.training.batches import Batches

ROWS = {"number": np.arange(5), "square": np.arange(5) ** 2}


def make_batches(batch_size=2, seed=0, rows=ROWS):
    return Batches(rows, batch_size, seed, batch_sharding(make_mesh(MeshConfig())))


def test_an_epoch_visits_every_row_once_and_the_next_one_in_another_order():
    batches = make_batches(batch_size=5)
    first, second = batches.row_indices(0), batches.row_indices(1)
    assert sorted(first) == sorted(second) == [0, 1, 2, 3, 4]
    assert first.tolist() != second.tolist()


def test_batches_run_on_over_the_ends_of_epochs():
    order = np.concatenate([make_batches(batch_size=5).row_indices(epoch) for epoch in range(6)])
    assert (
        np.concatenate([make_batches(batch_size=2).row_indices(step) for step in range(15)]).tolist() == order.tolist()
    )
    assert make_batches(batch_size=30).row_indices(0).tolist() == order.tolist()


def test_order_depends_on_step_and_seed_alone():
    batches = make_batches()
    later = batches.row_indices(1000).tolist()
    batches.row_indices(3)
    assert batches.row_indices(1000).tolist() == make_batches().row_indices(1000).tolist() == later
    assert (
        make_batches(batch_size=5, seed=1).row_indices(0).tolist()
        != make_batches(batch_size=5).row_indices(0).tolist()
    )


def test_a_batch_gathers_the_same_rows_of_all_arrays():
    batch = make_batches().at(7)
    assert batch["number"].tolist() == make_batches().row_indices(7).tolist()
    assert batch["square"].tolist() == [number**2 for number in batch["number"].tolist()]


def test_a_stack_holds_the_batches_of_successive_steps_over_the_ends_of_epochs():
    batches = make_batches()
    stack = batches.stack(3, 9)
    assert stack["number"].shape == (9, 2)
    assert stack["number"].tolist() == [batches.at(step)["number"].tolist() for step in range(3, 12)]
    assert stack["square"].tolist() == [batches.at(step)["square"].tolist() for step in range(3, 12)]


def test_rows_of_different_lengths_are_an_error():
    with pytest.raises(ValueError, match=r"one leading axis.*'a': 3, 'b': 2"):
        make_batches(rows={"a": np.zeros(3), "b": np.zeros(2)})


def test_no_rows_are_an_error():
    with pytest.raises(ValueError, match="at least 1 row"):
        make_batches(rows={"a": np.zeros((0, 3))})
