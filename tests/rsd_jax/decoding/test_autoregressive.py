from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.decoding import CodeShape, GivenTokens, MainFn, autoregressive


@pytest.mark.parametrize("unrolled", [True, False])
def test_equals_a_plain_loop_over_layers(
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
    unrolled: bool,
) -> None:
    features, main, shape = random_features(1, 4), random_main(1), code_shape(3)
    result = jax.jit(lambda h: autoregressive(h, main, shape, 4, unrolled=unrolled))(features)

    score = jax.jit(partial(main, num_layers=1))
    tokens = np.zeros((4, shape.chunk_length, shape.latent_dim, shape.num_layers), np.int32)
    for layer in range(shape.num_layers):
        position = np.full(tokens.shape[:-1], layer, np.int32)
        logits = np.asarray(score(features, tokens, position))
        tokens[..., layer] = logits[..., 0, :].argmax(-1)
    np.testing.assert_array_equal(result.tokens, tokens)
    assert result.tokens.dtype == np.int32
    assert set(result.rounds.tolist()) == {shape.num_layers}


def test_counts_no_drafts(
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
) -> None:
    main, shape = random_main(0), code_shape(3)
    result = jax.jit(lambda h: autoregressive(h, main, shape, 2, unrolled=False))(random_features(0, 2))
    assert not result.acceptance.proposed.any()
    assert not result.acceptance.accepted.any()
    assert not result.acceptance.first_run.any()
    assert [counts.shape for counts in result.acceptance] == [(2, 8, 3), (2, 8, 3), (2, 4)]


def test_a_column_depends_on_its_own_coarser_digits(
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
) -> None:
    """Guards the toy network: without dependence on coarser digits, the equality tests would prove nothing."""
    features, main, shape = random_features(0, 4), random_main(0), code_shape(1)

    @jax.jit
    def decode(features: jax.Array) -> tuple[jax.Array, jax.Array]:
        decoded = autoregressive(features, main, shape, 4, unrolled=False).tokens
        position = jnp.ones(decoded.shape[:-1], jnp.int32)
        return decoded, main(features, jnp.zeros_like(decoded), position, num_layers=7).argmax(-1)

    decoded, blind = decode(features)
    assert (np.asarray(blind) != np.asarray(decoded[..., 1:])).mean() > 0.5


@pytest.mark.parametrize("unrolled", [True, False])
def test_given_digits_stay_and_decide_the_finer_ones(
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
    unrolled: bool,
) -> None:
    """Row 0 is told another digit of layer 2 than it would choose, row 1 a whole column."""
    features, main, shape = random_features(2, 2), random_main(2), code_shape(1)
    decode = jax.jit(lambda given: autoregressive(features, main, shape, 2, given, unrolled=unrolled).tokens)
    plain = np.asarray(decode(None))
    told, depth = plain.copy(), np.zeros(plain.shape[:-1], np.int32)
    told[0, ..., 2], depth[0] = (told[0, ..., 2] + 1) % 7, 3
    told[1, 1, 2], depth[1, 1, 2] = [6, 5, 4, 3, 2, 1, 0, 6], 8
    undefined = np.arange(shape.num_layers) >= depth[..., None]
    given = GivenTokens(jnp.asarray(np.where(undefined, -99, told)), jnp.asarray(depth))
    found = np.asarray(decode(given))
    np.testing.assert_array_equal(found[~undefined], told[~undefined])
    assert (found[0, ..., 3:] != plain[0, ..., 3:]).mean() > 0.2
    np.testing.assert_array_equal(found[1, 0], plain[1, 0])
    np.testing.assert_array_equal(found[1, 1, :2], plain[1, 1, :2])
