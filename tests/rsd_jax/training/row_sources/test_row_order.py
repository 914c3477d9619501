import numpy as np

from rsd_jax.training.row_sources import Dispatch, RowOrder


def order_of(batch_size=2, seed=0, steps=1, begin=0):
    return RowOrder(5, batch_size, seed).indices(Dispatch(begin, steps)).tolist()


def test_an_epoch_visits_every_row_once_and_the_next_one_in_another_order():
    first, second = order_of(batch_size=5), order_of(batch_size=5, begin=1)
    assert sorted(first) == sorted(second) == [0, 1, 2, 3, 4]
    assert first != second


def test_batches_run_on_over_the_ends_of_epochs():
    epochs = np.concatenate([order_of(batch_size=5, begin=epoch) for epoch in range(6)]).tolist()
    assert np.concatenate([order_of(batch_size=2, begin=step) for step in range(15)]).tolist() == epochs
    assert order_of(batch_size=30) == epochs


def test_several_steps_are_the_single_ones():
    assert order_of(steps=9, begin=3) == [order_of(begin=step) for step in range(3, 12)]


def test_order_depends_on_step_and_seed_alone():
    order = RowOrder(5, 2, 0)
    later = order.indices(Dispatch(1000, 1)).tolist()
    order.indices(Dispatch(3, 1))
    assert order.indices(Dispatch(1000, 1)).tolist() == order_of(begin=1000) == later
    assert order_of(batch_size=5, seed=1) != order_of(batch_size=5)


def test_the_order_is_that_of_every_earlier_run():
    assert order_of(batch_size=5) == [3, 0, 4, 2, 1]
