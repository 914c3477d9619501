"""Our code against PyTorch itself: more chunks and models than the golden files hold."""

import argparse

import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.stored_models.original_checkpoint import load_original, to_tokenizer
from rsd_jax.stored_models.torch_file import UnknownObject, read_torch_file
from tests.parity.boundary_distance import distance_to_boundaries

torch = pytest.importorskip("torch")

from tests.parity.make_golden import GOLDEN, as_original
from tests.parity.reference_rfsq import example_actions, trained_reference

torch.set_num_threads(1)  # more would wait for each other, beside JAX's own

UNCHANGED = ActionNormalizer(center=jnp.zeros(7), half_range=jnp.ones(7))


@pytest.fixture(scope="module")
def layernorm_model():
    return trained_reference(normalizes=True, seed=1, steps=150)


@pytest.fixture(scope="module")
def naive_model():
    return trained_reference(normalizes=False, seed=3, steps=150)


def saved_and_loaded(model, kind, folder):
    path = folder / f"{kind}.pt"
    torch.save(as_original(model, kind), path)
    return load_original(path)


@torch.no_grad()
def test_layernorm_tokens_are_the_same(layernorm_model, tmp_path):
    checkpoint = saved_and_loaded(layernorm_model, "layernorm", tmp_path)
    actions = example_actions(1024, seed=9)
    expected = layernorm_model.encode(actions).numpy()
    tokens, side = checkpoint.rfsq.encode(checkpoint.params, jnp.asarray(actions.numpy()))
    differs = np.asarray(tokens) != expected
    print("differing tokens by layer:", differs.mean(axis=(0, 1, 2)), "of", differs[..., 0].size)
    assert differs.mean() <= 5e-4
    # What differs was decided by the order of a sum: it lay within float32 rounding of a boundary.
    latents = layernorm_model.encoder(actions).numpy()
    distance = distance_to_boundaries(latents, expected, np.asarray(side.mean), np.asarray(side.std))
    print("farthest from a boundary:", distance[differs].max(initial=0.0), "steps")
    assert not differs[distance > 1e-3].any()
    assert all(len(np.unique(expected[..., layer])) == 7 for layer in range(8))


@torch.no_grad()
def test_layernorm_reconstructions_are_the_same(layernorm_model, tmp_path):
    checkpoint = saved_and_loaded(layernorm_model, "layernorm", tmp_path)
    actions = example_actions(512, seed=9)
    tokens, side = checkpoint.rfsq.encode(checkpoint.params, jnp.asarray(actions.numpy()))
    same = (np.asarray(tokens) == layernorm_model.encode(actions).numpy()).all(axis=(2, 3))
    decoded = np.asarray(checkpoint.rfsq.decode(checkpoint.params, tokens, side))
    np.testing.assert_allclose(decoded[same], layernorm_model(actions)[0].numpy()[same], atol=1e-5)
    assert same.mean() > 0.98


@torch.no_grad()
def test_the_original_does_not_decode_what_it_encodes(layernorm_model, tmp_path):
    """Forward error, error from tokens alone in the original, and from our calibrated tokenizer's tokens alone."""
    actions = example_actions(512, seed=9)
    forward, indices = layernorm_model(actions)
    alone = layernorm_model.decode_from_indices(indices)
    checkpoint = saved_and_loaded(layernorm_model, "layernorm", tmp_path)
    training_actions = jnp.asarray(example_actions(1024, seed=1).numpy())
    tokenizer = checkpoint.rfsq.calibrate(checkpoint.params, training_actions, UNCHANGED)
    ours = torch.from_numpy(np.array(tokenizer.detokenize(tokenizer.tokenize(actions.numpy()))))
    errors = [float(((decoded - actions)[..., :-1] ** 2).mean()) for decoded in (forward, alone, ours)]
    variance = float(actions[..., :-1].var())
    print(f"forward {errors[0]:.2e}, decode_from_indices {errors[1]:.2e}, calibrated {errors[2]:.2e}, {variance=:.2e}")
    assert errors[1] > 100 * errors[0]
    assert errors[1] > variance
    assert errors[2] < variance / 100


@torch.no_grad()
def test_naive_tokens_and_reconstructions_are_the_same(naive_model, tmp_path):
    checkpoint = saved_and_loaded(naive_model, "naive", tmp_path)
    tokenizer = to_tokenizer(checkpoint, UNCHANGED)
    actions = example_actions(1024, seed=9)
    expected, reconstruction = naive_model.encode(actions).numpy(), naive_model(actions)[0].numpy()
    tokens = np.asarray(tokenizer.tokenize(actions.numpy()))
    differs = tokens != expected
    print("differing tokens by layer:", differs.mean(axis=(0, 1, 2)), "of", differs[..., 0].size)
    latents = naive_model.encoder(actions).numpy()
    no_statistics = np.zeros((*expected.shape[:2], 8)), np.ones((*expected.shape[:2], 8))
    assert not differs[distance_to_boundaries(latents, expected, *no_statistics) > 1e-5].any()
    assert differs.mean() <= 1e-4
    same = ~differs.any(axis=(2, 3))
    decoded = np.asarray(tokenizer.detokenize(tokens))[same]
    np.testing.assert_allclose(decoded[..., :-1], np.clip(reconstruction, -1, 1)[same][..., :-1], atol=1e-5)


def test_the_golden_files_are_what_the_reference_computes():
    model = trained_reference(normalizes=True, seed=0, steps=0)
    saved = torch.load(GOLDEN / "layernorm.pt", weights_only=True)
    model.load_state_dict(saved["model_state_dict"])
    stored = np.load(GOLDEN / "layernorm.npz")
    with torch.no_grad():
        reconstruction, tokens = model(torch.from_numpy(stored["actions"]))
    np.testing.assert_array_equal(tokens, stored["tokens"])
    np.testing.assert_allclose(reconstruction, stored["reconstruction"], atol=1e-5)


def test_files_of_torch_save_hold_the_same_arrays(tmp_path):
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    dtypes = (
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.bool,
        torch.complex64,
    )
    tensors = {
        "base": base,
        "transposed": base.T,
        "cut": base[1:3, ::2],
        "expanded": base[:1].expand(3, 6),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(base + 1),
        **{str(dtype): torch.tensor([0, 1, 0, 1]).to(dtype) for dtype in dtypes},
    }
    torch.save(tensors, tmp_path / "tensors.pt")
    read = read_torch_file(tmp_path / "tensors.pt")
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert str(read[name].dtype) == str(tensor.dtype).removeprefix("torch.")
        assert read[name].shape == tuple(tensor.shape)
        wide = torch.complex128 if tensor.is_complex() else torch.float64
        np.testing.assert_array_equal(read[name].astype(str(wide)[6:]), tensor.detach().to(wide).numpy())


def test_a_whole_training_checkpoint_is_read(naive_model, tmp_path):
    optimizer = torch.optim.AdamW(naive_model.parameters())
    naive_model(example_actions(4, seed=0))[0].sum().backward()
    optimizer.step()
    saved = {
        "model_state_dict": naive_model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "args": argparse.Namespace(use_layernorm=True),
        "metrics": {"mse": np.float64(0.25), "size": torch.Size([2, 3]), "dtype": torch.float16},
        "device": torch.device("cpu"),
    }
    torch.save(saved, tmp_path / "whole.pt")
    read = read_torch_file(tmp_path / "whole.pt")
    for name, tensor in naive_model.state_dict().items():
        np.testing.assert_array_equal(read["model_state_dict"][name], tensor.numpy())
    moments = optimizer.state_dict()["state"]
    for parameter, state in read["optimizer_state_dict"]["state"].items():
        np.testing.assert_array_equal(state["exp_avg"], moments[parameter]["exp_avg"].numpy())
    assert read["metrics"]["size"] == (2, 3)
    assert read["metrics"]["dtype"] == "float16"
    assert isinstance(read["args"], UnknownObject)
    assert isinstance(read["device"], UnknownObject)


def test_the_format_before_1_6_is_refused(naive_model, tmp_path):
    torch.save(naive_model.state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match=r"before 1\.6"):
        read_torch_file(tmp_path / "old.pt")
