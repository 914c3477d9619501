"""Our code gives what the PyTorch reference gave when tests/parity/golden was written (make_golden.py). No PyTorch."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.rfsq.original import SideInformation
from rsd_jax.stored_models.original_checkpoint import load_original, to_tokenizer

GOLDEN = Path(__file__).parent / "golden"
UNCHANGED = ActionNormalizer(center=jnp.zeros(7), half_range=jnp.ones(7))


def golden(kind):
    """The checkpoint and the arrays of one kind."""
    return load_original(GOLDEN / f"{kind}.pt"), np.load(GOLDEN / f"{kind}.npz")


def mse(decoded, actions):
    return float(np.mean((np.asarray(decoded) - actions) ** 2))


@pytest.mark.parametrize("compile_whole", [False, True], ids=["eager", "jit"])
def test_layernorm_tokens_and_side_information_are_the_same(compile_whole):
    checkpoint, expected = golden("layernorm")
    assert checkpoint.kind == "layernorm"
    encode = jax.jit(checkpoint.rfsq.encode) if compile_whole else checkpoint.rfsq.encode
    tokens, side = encode(checkpoint.params, jnp.asarray(expected["actions"]))
    np.testing.assert_array_equal(tokens, expected["tokens"])
    np.testing.assert_allclose(side.mean, expected["mean"], atol=1e-6)
    np.testing.assert_allclose(side.std, expected["std"], atol=1e-6)


def test_every_layer_of_the_layernorm_golden_file_uses_its_digits():
    _, expected = golden("layernorm")
    assert [len(np.unique(expected["tokens"][..., layer])) for layer in range(8)] == [7] * 8


def test_tokens_with_side_information_decode_to_the_forward_pass():
    checkpoint, expected = golden("layernorm")
    side = SideInformation(jnp.asarray(expected["mean"]), jnp.asarray(expected["std"]))
    decoded = checkpoint.rfsq.decode(checkpoint.params, jnp.asarray(expected["tokens"], jnp.int32), side)
    np.testing.assert_allclose(decoded, expected["reconstruction"], atol=1e-5)


def test_the_original_decodes_its_layernorm_tokens_to_something_else():
    """The defect: raw levels added up, without the statistics that encoding had divided by."""
    _, expected = golden("layernorm")
    forward = mse(expected["reconstruction"], expected["actions"])
    from_tokens = mse(expected["decoded_from_indices"], expected["actions"])
    print(f"forward {forward:.2e}, decode_from_indices {from_tokens:.2e}")
    assert forward < 1e-2
    assert from_tokens > 100 * forward
    assert from_tokens > 3 * np.var(expected["actions"])


def test_side_information_of_other_tokens_is_refused():
    checkpoint, expected = golden("layernorm")
    tokens = jnp.asarray(expected["tokens"], jnp.int32)
    side = SideInformation(jnp.asarray(expected["mean"]), jnp.asarray(expected["std"]))
    with pytest.raises(ValueError, match=r"side\.mean has shape \(1, 8, 8\); these tokens need \(32, 8, 8\)"):
        checkpoint.rfsq.decode(checkpoint.params, tokens, SideInformation(side.mean[:1], side.std[:1]))
    with pytest.raises(ValueError, match="tokens has 3 layers"):
        checkpoint.rfsq.decode(checkpoint.params, tokens[..., :3], side)


def test_a_calibrated_layernorm_checkpoint_decodes_its_tokens_alone():
    checkpoint, expected = golden("layernorm")
    actions = jnp.asarray(expected["actions"])
    tokenizer = checkpoint.rfsq.calibrate(checkpoint.params, actions, UNCHANGED)
    error = mse(tokenizer.detokenize(tokenizer.tokenize(actions)), expected["actions"])
    defect, forward = (mse(expected[name], expected["actions"]) for name in ("decoded_from_indices", "reconstruction"))
    print(f"calibrated {error:.2e}, decode_from_indices {defect:.2e}, forward {forward:.2e}")
    assert error < defect / 100
    latents = tokenizer.latents(actions)
    np.testing.assert_allclose(tokenizer.table.offset[0], latents.mean(axis=(0, 1)), atol=1e-6)
    np.testing.assert_allclose(tokenizer.table.step[0], 2 / 3 * latents.std(axis=(0, 1)), rtol=1e-5)


def test_calibration_needs_finite_actions():
    checkpoint, expected = golden("layernorm")
    actions = jnp.asarray(expected["actions"])
    for broken in (actions[:0], actions.at[0, 0, 0].set(jnp.nan)):
        with pytest.raises(ValueError, match="training_actions_normalized"):
            checkpoint.rfsq.calibrate(checkpoint.params, broken, UNCHANGED)


def test_a_naive_checkpoint_gives_the_original_tokens_and_actions():
    checkpoint, expected = golden("naive")
    assert checkpoint.kind == "naive"
    tokenizer = to_tokenizer(checkpoint, UNCHANGED)
    tokens = tokenizer.tokenize(expected["actions"])
    np.testing.assert_array_equal(tokens, expected["tokens"])
    decoded = tokenizer.detokenize(tokens)[..., :-1]
    for name in ("reconstruction", "decoded_from_indices"):
        np.testing.assert_allclose(decoded, np.clip(expected[name], -1, 1)[..., :-1], atol=1e-5)
