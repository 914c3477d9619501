import jax
import jax.numpy as jnp
import pytest
from flax.core import meta

from rsd_jax.backbones.transformer_block import TransformerBlock
from rsd_jax.distributed.cost_model.tracing import PASSES, trace_cost
from rsd_jax.distributed.cost_model.training_cost import Parameters, Stack

WIDTH, HEADS, MLP, TOKENS = 64, 4, 256, 32
NETWORK = TransformerBlock(WIDTH, HEADS, MLP)


def init(key):
    return NETWORK.init(key, jnp.zeros((1, TOKENS, WIDTH)))["params"]


def loss(rows):
    inputs = jnp.ones((rows, TOKENS, WIDTH))
    return lambda params: jnp.sum(jnp.square(NETWORK.apply({"params": params}, inputs)))


@pytest.fixture(scope="module")
def cost():
    return trace_cost(init, loss, [Stack(1, TOKENS, WIDTH)], compute_bytes=4, state_copies=5, row_bytes=1)


def test_operations_are_those_of_the_networks_shapes(cost):
    """Of a token: four products of the width with itself and two with the MLP's; scores and mixing over all tokens."""
    of_a_token = 2 * (4 * WIDTH * WIDTH + 2 * WIDTH * MLP) + 2 * 2 * TOKENS * WIDTH
    assert cost.flops_per_row == PASSES * TOKENS * of_a_token


def test_operations_agree_with_what_xla_counts(cost):
    """XLA also counts additions, normalizations and the softmax, which are few beside the products."""
    params = meta.unbox(jax.eval_shape(init, jax.random.key(0)))
    counted = jax.jit(jax.value_and_grad(loss(4))).lower(params).compile().cost_analysis()["flops"]
    assert counted / 4 == pytest.approx(cost.flops_per_row, rel=0.1)


def test_parameters_are_told_apart_by_the_axes_that_split_them(cost):
    kernels = 4 * WIDTH * WIDTH + 2 * WIDTH * MLP
    assert cost.parameters.by_both == kernels
    assert cost.parameters.total == sum(array.size for array in jax.tree.leaves(meta.unbox(init(jax.random.key(0)))))
    assert (cost.most_fsdp, cost.most_tensor) == (WIDTH, HEADS)


def test_a_device_has_its_part_of_the_parameters():
    parameters = Parameters(whole=1, by_fsdp=20, by_tensor=300, by_both=4000)
    assert parameters.on_device(fsdp=2, tensor=10) == 1 + 10 + 30 + 200
    assert parameters.gathered(tensor=10) == 20 + 400
    assert parameters.kept_whole(tensor=10) == 1 + 30


def test_a_network_without_stacks_is_not_given_to_the_tensor_axis():
    assert trace_cost(init, loss, [], compute_bytes=4, state_copies=5, row_bytes=1).most_tensor == 1
