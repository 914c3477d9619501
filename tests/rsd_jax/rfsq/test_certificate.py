"""The bounds of a certificate against all token strings of a small code."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.rfsq import MlpAutoencoder, RepetitionFrame, RfsqTokenizer, dequantize_to, make_certificate, make_table

LAYERS, LATENTS, LEVELS = 3, 3, 5


def make_tokenizer(seed: int) -> RfsqTokenizer:
    generator = np.random.default_rng(seed)
    table = make_table(
        jnp.asarray(generator.normal(0, 0.1, (LAYERS, LATENTS))),
        jnp.asarray(generator.uniform(0.05, 0.4, (LAYERS, LATENTS))),
        LEVELS,
        mode=generator.choice([1, 2, 3, 5], (LAYERS, LATENTS)),
        fold=generator.random((LAYERS, LATENTS)) < 0.5,
    )
    normalizer = ActionNormalizer(jnp.zeros(2), jnp.ones(2))
    return RfsqTokenizer({}, table, normalizer, RepetitionFrame((2, 1)), 1)


@pytest.mark.parametrize("seed", range(3))
def test_bounds_are_the_largest_differences_that_there_are(seed: int) -> None:
    tokenizer = make_tokenizer(seed)
    certificate = jax.tree.map(np.asarray, make_certificate(tokenizer))
    strings = np.array(list(itertools.product(range(LEVELS), repeat=LAYERS)))
    tokens = jnp.asarray(np.broadcast_to(strings[:, None, None], (len(strings), 1, LATENTS, LAYERS)), jnp.int32)
    decode = jax.jit(dequantize_to)
    depths = [jnp.full(tokens.shape[:-1], depth) for depth in range(LAYERS + 1)]
    ended = [np.asarray(decode(tokenizer.table, tokens, depth))[:, 0] for depth in depths]  # [strings, D] each
    for depth, remainder in enumerate(certificate.remainder):
        assert (np.abs(ended[-1] - ended[depth]).max(axis=0) <= remainder + 1e-6).all()
    assert (np.diff(certificate.remainder, axis=0) <= 0).all()
    for layer in range(LAYERS):
        for prefix in itertools.product(range(LEVELS), repeat=layer):
            low, high = np.zeros((2, LEVELS, LATENTS))
            for digit in range(LEVELS):
                has_both = (strings[:, : layer + 1] == (*prefix, digit)).all(axis=1)
                values = np.concatenate([values[has_both] for values in ended[layer + 1 :]])
                low[digit], high[digit] = values.min(axis=0), values.max(axis=0)
            for one, other in itertools.product(range(LEVELS), repeat=2):
                largest = np.maximum(high[one] - low[other], high[other] - low[one])
                bound = np.maximum(
                    certificate.highest[layer, :, one] - certificate.lowest[layer, :, other],
                    certificate.highest[layer, :, other] - certificate.lowest[layer, :, one],
                )
                np.testing.assert_allclose(bound, largest, atol=1e-6)


def test_weights_are_those_of_the_mean_of_the_copies() -> None:
    assert make_certificate(make_tokenizer(0)).weight.tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]


def test_an_autoencoder_that_mixes_latents_into_the_gripper_is_refused() -> None:
    tokenizer = make_tokenizer(0).replace(autoencoder=MlpAutoencoder())
    with pytest.raises(ValueError, match="MlpAutoencoder, whose every latent moves the gripper"):
        make_certificate(tokenizer)
