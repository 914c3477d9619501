import jax
import jax.numpy as jnp
import pytest

from rsd_jax.decoding import CodeShape, DecodeResult, LosslessGreedy, TokenDistance, column_local, speculative
from rsd_jax.decoding.rules import AcceptanceRule

SHAPE = CodeShape(1, 1, 4, 3, jnp.ones((4, 1), bool))


@column_local
def successor(features: None, tokens: jax.Array, position: int, *, num_layers: int) -> jax.Array:
    """Every digit is the one before it plus 1."""
    assert (position, num_layers) == (0, 4)
    before = jnp.pad(tokens, ((0, 0),) * 3 + ((1, 0),))[..., position : position + num_layers]
    return jax.nn.one_hot((before + 1) % 7, 7)


def decode(rule: AcceptanceRule, drafted: list[int]) -> DecodeResult:
    def draft(features: None, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
        return jax.nn.one_hot(jnp.broadcast_to(jnp.array(drafted), tokens.shape), 7)

    return speculative(None, draft, successor, rule, SHAPE, 1, unrolled_passes=0)


def test_digits_near_the_main_heads_stay_and_decide_the_finer_ones() -> None:
    # The main head says 1, then 3 behind the draft's 2, then 5 behind its 4: off by 1, by 1, and by 3.
    drafted = [2, 4, 2, 6]
    near = decode(TokenDistance(1), drafted)
    assert near.tokens.ravel().tolist() == [2, 4, 5, 6]
    assert near.rounds.tolist() == [2]
    assert near.acceptance.accepted[0, :, 0].tolist() == [1, 1, 0, 1]
    assert decode(TokenDistance(3), drafted).tokens.ravel().tolist() == [2, 4, 2, 3]


def test_without_distance_it_is_greedy_decoding() -> None:
    drafted = [1, 3, 3, 4]
    found, greedy = decode(TokenDistance(0), drafted), decode(LosslessGreedy(), drafted)
    assert found.tokens.tolist() == greedy.tokens.tolist() == [[[[1, 2, 3, 4]]]]
    assert found.rounds.tolist() == greedy.rounds.tolist()


def test_a_negative_distance_is_refused() -> None:
    with pytest.raises(ValueError, match="largest is -1; it must be 0 or more"):
        TokenDistance(-1)
