"""The real heads under the real decoders: speculation changes no token."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from eval_bridge.policies.decoder_models import DecoderModels, HeadVariables
from rsd_jax.decoding import CodeShape, autoregressive, speculative_greedy
from rsd_jax.heads.draft_model import DraftConfig, DraftModel
from rsd_jax.heads.main_head import MainHead, MainHeadConfig
from rsd_jax.rfsq import make_table

BATCH, CHUNK, LATENTS, LAYERS, FEATURES = 32, 8, 16, 8, 24


@pytest.mark.parametrize("seed", [0, 1])
def test_tokens_of_real_heads_are_equal_to_the_last_one(seed: int) -> None:
    sizes = {"num_layers": LAYERS, "latent_dim": LATENTS, "width": 16, "depth": 1}
    draft, main = DraftModel(DraftConfig(**sizes)), MainHead(MainHeadConfig(**sizes, column_features=4))
    step = 0.3 * 0.4 ** jnp.arange(float(LAYERS))[:, None] * jnp.ones((LAYERS, LATENTS))
    table = make_table(0.01 * step, step, 7)
    keys = jax.random.split(jax.random.key(seed), 5)
    features = jax.random.normal(keys[0], (BATCH, CHUNK, FEATURES))
    tokens = jnp.zeros((1, CHUNK, LATENTS, LAYERS), jnp.int32)
    arguments = (features[:1], table, tokens, tokens[..., 0])
    variables = HeadVariables(
        table,
        _alive(draft.init(keys[1], *arguments)["params"], keys[2]),
        _alive(main.init(keys[3], *arguments, 1)["params"], keys[4]),
    )
    models = DecoderModels(draft, main)
    shape = CodeShape(CHUNK, LATENTS, LAYERS, draft.config.draft_layers, table.informative)

    def decode(decoder):
        def run(variables, features):
            return decoder(models.prepare(variables, features), models.draft, models.main, shape, BATCH)

        return jax.jit(run)(variables, features)

    slow, fast = decode(autoregressive), decode(speculative_greedy)
    np.testing.assert_array_equal(slow.tokens, fast.tokens)
    assert len(np.unique(fast.tokens)) == 7
    assert 0 < int(fast.acceptance.accepted.sum()) < int(fast.acceptance.proposed.sum())


def _alive(params, key):
    """Parameters away from their initial zeros, so that every term of the logits counts."""
    leaves, tree = jax.tree.flatten(nn.unbox(params))
    keys = jax.random.split(key, len(leaves))
    return tree.unflatten(
        [leaf + 0.3 * jax.random.normal(k, leaf.shape) for leaf, k in zip(leaves, keys, strict=True)]
    )
