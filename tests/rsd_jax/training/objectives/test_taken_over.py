import jax
import jax.numpy as jnp
import numpy as np
from flax.linen import LogicallyPartitioned

from rsd_jax.training.objectives.interface import Variables
from rsd_jax.training.objectives.taken_over import TakenOver


class Drawing:
    """Draws one parameter, with the name of its axis."""

    def init(self, key):
        return Variables({"weight": LogicallyPartitioned(jax.random.normal(key, (2,)), ("mlp",))}, {})


def test_given_parameters_have_the_axes_of_drawn_ones_and_stay_as_they_are():
    params = {"weight": np.array([1.0, 2.0], np.float32)}
    taken = TakenOver(Drawing(), params)
    found = taken.init(jax.random.key(0)).params["weight"]
    assert found.names == ("mlp",)
    np.testing.assert_array_equal(found.value, params["weight"])
    gradient = jax.grad(lambda given: taken.loss(Variables(given, {}), None, {}, jax.random.key(1)).loss)(params)
    np.testing.assert_array_equal(gradient["weight"], jnp.zeros(2))
    assert taken.init(jax.random.key(0)).model_state == {}
    assert TakenOver(Drawing(), params, {"table": 3}).init(jax.random.key(0)).model_state == {"table": 3}
