import numpy as np

from rsd_jax.training.equal_batches import equal_batches


def test_batches_of_one_size_hold_all_rows_or_those_chosen():
    rows = {"number": np.arange(10) * 10}
    assert [batch["number"].tolist() for batch in equal_batches(rows, 4)] == [
        [0, 10, 20, 30],
        [40, 50, 60, 70],
        [80, 90, 90, 90],
    ]
    chosen = equal_batches(rows, 2, among=np.array([7, 1, 2]))
    assert [batch["number"].tolist() for batch in chosen] == [[70, 10], [20, 20]]
