"""Features of a large backbone, kept in files."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.stored_models import load_policy
from rsd_jax.stored_models.openvla.random_policy import write_random_policy
from rsd_jax.training import feature_rows
from rsd_jax.training.feature_rows import extract_features, features_folder, stored_head_rows
from rsd_jax.training.policy_rows import policy_rows_of
from rsd_jax.training.stages.head_rows import deviation
from tests.rsd_jax.demos.demo_examples import example_demo
from tests.rsd_jax.training.test_large_frames import enlarged, write_run


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """Two episodes of 10 steps, of which 3 have whole chunks, and a policy that holds out the second."""
    run_dir = tmp_path_factory.mktemp("run")
    write_random_policy("tiny", run_dir, heldout_every=2)
    return write_run(run_dir, [enlarged(example_demo(seed, steps=10)) for seed in (0, 1)])


@pytest.fixture(scope="module")
def policy(run_dir):
    return load_policy(run_dir)


def test_an_extraction_that_was_stopped_goes_on_and_heads_read_it_without_the_backbone(run_dir, policy, monkeypatch):
    told = []

    def stop(done, total):
        told.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    mesh = make_mesh(MeshConfig(), devices=jax.devices()[:1])
    with pytest.raises(KeyboardInterrupt):
        extract_features(run_dir, policy, 2, mesh, stop)
    folder = features_folder(run_dir, policy)
    assert not folder.exists()
    assert extract_features(run_dir, policy, 2, mesh, lambda *counts: told.append(counts)) == folder
    assert told == [(0, 6), (2, 6), (3, 6), (3, 6), (5, 6), (6, 6)]

    monkeypatch.setattr(feature_rows, "extract_features", None)
    head = load_policy(run_dir, with_backbone=False)
    train, heldout = stored_head_rows(run_dir, head)
    assert isinstance(train.features, np.memmap)
    assert (train.features.dtype, train.features.shape) == (jnp.bfloat16, (3, 8, 448))
    rows, run = policy_rows_of(run_dir, policy.backbone, 2), jax.jit(policy.features)
    for found, of_part in ((train, rows.train), (heldout, rows.heldout)):
        seen = PolicyInputs(*(jnp.asarray(of_part[name][:3]) for name in ("images", "proprio", "instruction_ids")))
        expected = run(policy.variables, seen)
        np.testing.assert_allclose(found.features.astype(np.float32), expected, atol=0.1)
        np.testing.assert_array_equal(found.actions, of_part["actions"][:3])
    assert np.abs(train.features.astype(np.float32) - heldout.features.astype(np.float32)).max() > 0.5


def test_a_deviation_is_that_of_all_rows_and_steps():
    features = np.random.default_rng(0).normal(3, 2, (700, 2, 3)).astype(np.float32)
    np.testing.assert_allclose(deviation(features), features.std(axis=(0, 1)), rtol=1e-5)
