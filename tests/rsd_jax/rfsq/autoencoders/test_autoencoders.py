from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.rfsq import Autoencoder, MlpAutoencoder, RepetitionFrame
from rsd_jax.rfsq.autoencoders import describe_autoencoder, make_autoencoder
from tests.rsd_jax.random_params import alive, initialised

KINDS = [MlpAutoencoder(latent_dim=6), MlpAutoencoder(latent_dim=8, has_linear_path=True), RepetitionFrame()]


@cache
def _params(autoencoder: Autoencoder) -> dict:
    return alive(initialised(autoencoder.init, 0), 1)


@pytest.mark.parametrize("autoencoder", KINDS)
def test_latents_are_bounded_whatever_the_action(autoencoder: Autoencoder) -> None:
    actions = 10 * np.random.default_rng(0).standard_normal((16, 8, 7), np.float32)
    latents = jax.jit(autoencoder.encode)(_params(autoencoder), actions)
    assert latents.shape == (16, 8, autoencoder.latent_dim)
    assert float(jnp.abs(latents).max()) <= 1


@pytest.mark.parametrize("autoencoder", KINDS)
def test_no_change_of_latents_changes_actions_by_more_than_the_bound(autoencoder: Autoencoder) -> None:
    params = _params(autoencoder)
    reach = jnp.full(autoencoder.latent_dim, 1.2)
    change = 0.1 * jnp.arange(1, autoencoder.latent_dim + 1) / autoencoder.latent_dim
    bound = np.asarray(autoencoder.largest_change(params, change, reach))
    generator = np.random.default_rng(1)
    latents = generator.uniform(-1.1, 1.1, (4000, 1, autoencoder.latent_dim)).astype(np.float32)
    moved = latents + np.asarray(change) * generator.choice([-1, 1], latents.shape).astype(np.float32)
    decode = jax.jit(autoencoder.decode)
    found = np.abs(np.asarray(decode(params, moved)) - np.asarray(decode(params, latents))).max((0, 1))
    assert (found <= bound + 1e-6).all()
    assert (found >= bound / 4).all(), "the bound is of no use"


def test_an_untrained_linear_path_alone_reconstructs_what_it_does_not_clip() -> None:
    autoencoder = MlpAutoencoder(has_linear_path=True)
    params = initialised(autoencoder.init, 0)
    actions = jax.random.uniform(jax.random.key(1), (8, 8, 7), minval=-0.5, maxval=0.5)
    np.testing.assert_allclose(autoencoder.decode(params, autoencoder.encode(params, actions)), actions, atol=1e-5)


def test_copies_stand_side_by_side_and_decode_to_their_mean() -> None:
    frame = RepetitionFrame(copies=(2, 1))
    np.testing.assert_allclose(frame.encode({}, jnp.array([[[0.5, -3.0]]]))[0, 0], [0.5, 0.5, -1.0])
    np.testing.assert_allclose(frame.decode({}, jnp.array([[[0.2, 0.4, -1.0]]]))[0, 0], [0.3, -1.0])
    np.testing.assert_allclose(frame.largest_change({}, jnp.array([0.1, 0.3, 0.5]), jnp.ones(3)), [0.2, 0.5])


@pytest.mark.parametrize("autoencoder", KINDS)
def test_descriptions_lead_back(autoencoder: Autoencoder) -> None:
    assert make_autoencoder(**describe_autoencoder(autoencoder)) == autoencoder


def test_what_cannot_be_made_is_named() -> None:
    with pytest.raises(ValueError, match="kind is 'cnn'; it must be one of mlp, repetition"):
        make_autoencoder("cnn")
    with pytest.raises(ValueError, match="cannot be made of"):
        make_autoencoder("mlp", width=3)
    with pytest.raises(ValueError, match=r"copies is \(2, 0\)"):
        RepetitionFrame(copies=(2, 0))
    wide = MlpAutoencoder(latent_dim=21)
    params = _params(wide)
    with pytest.raises(ValueError, match="latent_dim is 21"):
        wide.largest_change(params, jnp.ones(21), jnp.ones(21))
