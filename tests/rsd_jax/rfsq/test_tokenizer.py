import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.rfsq import AutoencoderConfig, RfsqTokenizer, make_table
from rsd_jax.rfsq.autoencoder import ActionAutoencoder


@pytest.fixture(scope="module")
def tokenizer() -> RfsqTokenizer:
    from flax import linen as nn

    config = AutoencoderConfig(hidden_features=16, latent_dim=4)
    params = nn.unbox(ActionAutoencoder(config).init(jax.random.key(0), jnp.zeros((1, 8, 7)))["params"])
    step = 0.3 * 0.4 ** jnp.arange(8.0)[:, None] * jnp.ones((8, 4))
    actions = np.random.default_rng(0).uniform(-0.8, 0.8, (100, 7)).astype(np.float32)
    return RfsqTokenizer(
        params, make_table(jnp.zeros((8, 4)), step, 7), ActionNormalizer.from_actions(actions), config, chunk_length=8
    )


def test_tokens_are_int32_of_the_documented_shape(tokenizer: RfsqTokenizer) -> None:
    tokens = tokenizer.tokenize(np.zeros((3, 8, 7), np.float32))
    assert tokens.shape == (3, 8, 4, 8)
    assert tokens.dtype == jnp.int32


def test_every_token_string_decodes_to_executable_actions(tokenizer: RfsqTokenizer) -> None:
    tokens = np.random.default_rng(0).integers(0, 7, (64, 8, 4, 8))
    actions = np.asarray(tokenizer.detokenize(tokens))
    low = tokenizer.normalizer.center - tokenizer.normalizer.half_range
    high = tokenizer.normalizer.center + tokenizer.normalizer.half_range
    assert np.isfinite(actions).all()
    assert set(np.unique(actions[..., -1])) <= {-1.0, 1.0}
    assert (actions >= low - 1e-6).all()
    assert (actions <= high + 1e-6).all()


@pytest.mark.parametrize("shape", [(2, 7, 7), (2, 8, 6), (8, 7)])
def test_wrong_chunk_length_or_action_dimension_is_named(tokenizer: RfsqTokenizer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"this tokenizer takes \[B, 8, 7\]"):
        tokenizer.tokenize(np.zeros(shape, np.float32))


def test_hash_sees_every_part(tokenizer: RfsqTokenizer) -> None:
    others = [
        tokenizer.replace(chunk_length=4),
        tokenizer.replace(table=tokenizer.table.replace(offset=tokenizer.table.offset.at[7, 3].add(1e-6))),
        tokenizer.replace(normalizer=tokenizer.normalizer.replace(center=tokenizer.normalizer.center.at[0].add(1e-6))),
        tokenizer.replace(params=jax.tree.map(lambda p: p + 1e-6, tokenizer.params)),
    ]
    hashes = {tokenizer.token_hash, *(other.token_hash for other in others)}
    assert len(hashes) == 5
    assert tokenizer.replace().token_hash == tokenizer.token_hash
