"""The correction's parts, multiplied one by one, are the MLP over all of them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from rsd_jax.heads.correction import Correction
from rsd_jax.partitioned_layers import Mlp

PARTS, HIDDEN, ANSWERS = (3, 4, 1), 8, 5


class Whole(nn.Module):
    """What each part times its own rows adds up to."""

    @nn.compact
    def __call__(self, inputs):
        correction = Correction(PARTS, HIDDEN, ANSWERS, name="correction")
        return correction([part @ rows for part, rows in zip(inputs, correction.rows(), strict=True)])


def test_it_is_the_mlp_over_the_concatenation():
    """With the MLP's own parameters, which checkpoints of the time before hold, drawn alike."""
    shapes = ((2, 6, PARTS[0]), (2, 1, PARTS[1]), (6, PARTS[2]))
    inputs = [jax.random.normal(jax.random.key(number), shape) for number, shape in enumerate(shapes)]
    together = jnp.concatenate([jnp.broadcast_to(part, (2, 6, part.shape[-1])) for part in inputs], axis=-1)
    variables = Whole().init(jax.random.key(9), inputs)
    params = nn.unbox(variables)["params"]["correction"]
    mlp = Mlp(HIDDEN, ANSWERS, axes=(None, None))
    expected = jax.tree.map(jnp.shape, nn.unbox(mlp.init(jax.random.key(9), together))["params"])
    assert jax.tree.map(jnp.shape, params) == expected
    biased = jax.tree.map(lambda array: array + 0.1, params)
    found = Whole().apply({"params": {"correction": biased}}, inputs)
    np.testing.assert_allclose(found, mlp.apply({"params": biased}, together), rtol=1e-5, atol=1e-6)
