"""OpenVLA fine-tuned: what learns, what stays, and what becomes of it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.experimental.compilation_cache.compilation_cache import reset_cache

from launch.export_finetuned import main as export
from rsd_jax.backbones.cameras import KeypointCamera
from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.checkpoints import load_stage
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.heads.action_tokens_head import ActionTokensConfig
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.heads.residual_regression_head import ResidualRegressionConfig
from rsd_jax.policy_network import BACKBONE, HEAD, PolicyNetwork
from rsd_jax.stored_models import load_policy
from rsd_jax.training.objectives.behaviour_cloning import policy_inputs
from rsd_jax.training.stages import build_stage
from rsd_jax.training.stages.openvla_finetune import network_to_tune
from rsd_jax.training.train_loop import TrainingInterrupted, train
from tests.rsd_jax.training.openvla_runs import CONFIG, SMALL, settings, small_run
from tests.rsd_jax.training.run_fingerprint import fingerprint
from tests.rsd_jax.training.termination import TerminateAt

WAYS = {
    "lora": settings(),
    "full": settings(way="full", master_dtype="bfloat16", moments_dtype="bfloat16"),
}


def losses(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row["train/loss"] for row in rows if "train/loss" in row]


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory):
    """Programs that take long: a straight, an interrupted and a resumed training are of the same ones."""
    changed = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.3,
        "jax_enable_compilation_cache": True,
    }
    before = {name: jax.config.values[name] for name in changed}
    configure(changed)
    yield
    configure(before)


def configure(values):
    for name, value in values.items():
        jax.config.update(name, value)
    reset_cache()  # or JAX goes on as it began


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module", params=WAYS)
def trained(request, base, tmp_path_factory):
    """A stage, and its finished run."""
    run_dir = tmp_path_factory.mktemp(request.param)
    shutil.copytree(base, run_dir, dirs_exist_ok=True)
    mesh = make_mesh(MeshConfig())
    stage = build_stage("openvla_finetune", WAYS[request.param], run_dir, mesh)
    train(stage, CONFIG, run_dir / stage.name, mesh)
    return request.param, stage, run_dir


def test_it_learns(trained):
    _, _, run_dir = trained
    found = losses(run_dir / "openvla_finetune")
    assert np.mean(found[-4:]) < 0.7 * np.mean(found[:2])


@pytest.mark.parametrize("trained", ["lora"], indirect=True)  # the way that leaves most out of its state
def test_resumed_it_ends_in_the_same_bits(trained):
    _, stage, run_dir = trained
    folder, mesh = run_dir / "interrupted", make_mesh(MeshConfig())
    with pytest.raises(TrainingInterrupted):
        train(replace(stage, evaluate=TerminateAt(1, stage.evaluate)), CONFIG, folder, mesh)
    assert [path.name for path in (folder / "latest").iterdir()] == ["00000008"]
    train(stage, CONFIG, folder, mesh)
    assert fingerprint(folder) == fingerprint(run_dir / "openvla_finetune")


def test_only_what_is_trained_has_a_state_and_the_rest_keeps_its_bits(trained, base):
    way, stage, run_dir = trained
    latest = load_stage(run_dir, "openvla_finetune", "latest").variables["params"]
    untouched = flatten_dict(load_policy(base).variables.backbone)
    if way == "full":
        assert flatten_dict(latest[BACKBONE]).keys() == untouched.keys()
        assert stage.frozen.base == {}
        return
    assert {key: set(tree) for key, tree in latest[BACKBONE].items()} == {
        "adapters": {"dinov2", "siglip", "projector", "language_model"},
        "base": {"state_projector"},
    }
    frozen = flatten_dict(stage.frozen.base[BACKBONE]["base"])
    assert frozen.keys() == {path for path in untouched if path[0] != "state_projector"}
    for path, array in frozen.items():
        np.testing.assert_array_equal(array, untouched[path])


def test_it_begins_as_the_policy_that_it_is_made_of(trained, base):
    """Before the first step: parameters, and for adapters what they compute."""
    way, stage, _ = trained
    policy = load_policy(base)
    given = flatten_dict(stage.starts_from())
    if way == "full":
        expected = flatten_dict({BACKBONE: policy.variables.backbone, HEAD: policy.variables.head})
        assert given.keys() == expected.keys()
        for path, array in expected.items():
            np.testing.assert_array_equal(given[path], array)
        return

    @jax.jit
    def draw_the_others(key):
        drawn = flatten_dict(meta.unbox(stage.objective.init(key)).params)
        return {path: leaf for path, leaf in drawn.items() if path not in given}

    inputs, predict = heldout_inputs(stage), stage.evaluate.args[1]
    started = unflatten_dict({**draw_the_others(jax.random.key(0)), **given})
    actions = jax.jit(policy.actions)(policy.variables, inputs)
    predicted = policy.variables.action.denormalize(predict(started, stage.frozen.proprio, inputs).actions)
    np.testing.assert_array_equal(predicted, actions)


def test_what_is_exported_acts_as_what_was_trained_and_is_a_policy_like_any_other(trained, tmp_path, capsys):
    way, stage, run_dir = trained
    out = tmp_path / "out"
    export(["--run_dir", str(run_dir), "--out", str(out), "--dtype", "float32"])
    assert str(out / "policy") in capsys.readouterr().out
    exported, best = load_policy(out), load_stage(run_dir, "openvla_finetune").variables["params"]
    assert exported.backbone.encode_instruction("open the drawer").size == 48
    assert exported.has_random_weights
    if way == "full":
        found = flatten_dict({BACKBONE: exported.variables.backbone, HEAD: exported.variables.head})
        for path, array in flatten_dict(best).items():
            np.testing.assert_array_equal(found[path], array)
    else:
        inputs, predict = heldout_inputs(stage), stage.evaluate.args[1]
        expected = predict(best, stage.frozen.proprio, inputs)
        features = jax.jit(exported.features)(exported.variables, inputs)
        np.testing.assert_allclose(features, expected.features, atol=2e-3)
        # On the host, where comparing compiles nothing.
        before = flatten_dict(jax.device_get(stage.frozen.base[BACKBONE]["base"]))
        changed = {path[-2] for path, leaf in flatten_dict(jax.device_get(exported.variables.backbone)).items()
                   if path in before and (leaf != before[path]).any()}  # fmt: skip
        assert changed == {"qkv", "out", "gate_up", "down", "up", "first", "second", "third"}
    with pytest.raises(FileExistsError, match="has a policy; name another folder"):
        export(["--run_dir", str(run_dir), "--out", str(out)])


def heldout_inputs(stage):
    rows = stage.evaluate.args[4]
    return policy_inputs({name: jnp.asarray(rows[name]) for name in ("images", "proprio", "instruction_ids")})


def test_openvla_as_it_was_before_oft_gets_a_head_and_a_state_projector():
    plain = OpenVlaBackbone(SMALL, ("agentview",), state_size=0, chunk_length=1, is_causal=True)
    tuned = network_to_tune(PolicyNetwork(plain, ActionTokensConfig()), Path("runs/a"))
    assert (tuned.backbone, tuned.head) == (OpenVlaBackbone(SMALL), ResidualRegressionConfig(7, 64))
    assert network_to_tune(tuned, Path("runs/a")) is tuned
    compact = PolicyNetwork(CompactBackbone(KeypointCamera()), RegressionConfig())
    with pytest.raises(ValueError, match="the policy of runs/a has the backbone CompactBackbone; only OpenVLA's"):
        network_to_tune(compact, Path("runs/a"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"way": "prompt"}, "model.way is 'prompt'; it must be one of lora, full"),
        ({"kept_activations": "some"}, "model.kept_activations is 'some'; it must be one of all, products, inputs"),
        ({"moments_dtype": "int8"}, "model.moments_dtype is 'int8'; it must be one of float32, bfloat16"),
        ({"heldout_rows": 0}, "model.heldout_rows is 0; it must be at least 1"),
    ],
)
def test_impossible_settings_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        settings(**changed)
