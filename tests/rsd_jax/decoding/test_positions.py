import jax.numpy as jnp
import numpy as np

from rsd_jax.decoding.positions import layers_ahead, write_ahead


def test_layers_ahead_measures_from_each_columns_position() -> None:
    position = jnp.array([[[0, 3]]])
    assert layers_ahead(position, num_layers=3).tolist() == [[[[0, 1, 2], [-3, -2, -1]]]]


def test_written_layers_lie_behind_each_columns_position() -> None:
    values, written = jnp.arange(10).reshape(1, 1, 2, 5), jnp.array([[[[90, 91], [92, 93]]]])
    assert write_ahead(values, jnp.array([[[1, 4]]]), written).tolist() == [[[[0, 90, 91, 3, 4], [5, 6, 7, 8, 92]]]]
    assert write_ahead(values, jnp.array([[[5, 0]]]), written).tolist() == [[[[0, 1, 2, 3, 4], [92, 93, 7, 8, 9]]]]


def test_a_number_is_the_position_of_every_column() -> None:
    generator = np.random.default_rng(0)
    for rest in [(3,)]:
        values, written = (jnp.asarray(generator.random((2, 1, 2, length, *rest))) for length in (5, 3))
        for position in (0, 3, 4):
            expected = write_ahead(values, jnp.full((2, 1, 2), position), written)
            np.testing.assert_array_equal(write_ahead(values, position, written), expected)
