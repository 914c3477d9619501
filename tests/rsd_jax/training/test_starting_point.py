"""Parts of a training, each begun with the weights of the one before; the first one is preflight's miniature run."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from launch.config_flags import load_config
from rsd_jax.checkpoints import MissingCheckpointError, load_stage
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.pretrained import PRETRAINED, named_run
from rsd_jax.registry import to_dataclass
from rsd_jax.stored_models import load_policy, load_tokenizer
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.parts import read_parts
from rsd_jax.training.stages import build_stage, settings_of
from rsd_jax.training.starting_point import StartMismatchError, check_start
from rsd_jax.training.train_loop import ConfigMismatchError, TrainingInterrupted, train
from tests.rsd_jax.demos.demo_examples import write_example_task
from tests.rsd_jax.training.termination import TerminateAt
from tests.rsd_jax.training.toy_stage import make_toy_stage

MESH = make_mesh(MeshConfig())
ONE_STEP = {"steps": 1, "warmup_steps": 0, "steps_per_dispatch": 1}


def settings(stage, variant="tiny"):
    _, config = load_config(f"configs/{stage}.py:{variant}")
    return to_dataclass(settings_of(stage), config.model)


def run_part(stage, run_dir, source, model=None, **changes):
    _, config = load_config(f"configs/{stage}.py:tiny")
    training = replace(to_dataclass(TrainingConfig, config.training), **{**ONE_STEP, **changes})
    built = build_stage(stage, model or settings(stage), run_dir, start_from=str(source))
    return train(built, training, run_dir / stage, MESH)


@pytest.fixture(scope="module")
def second(preflight_run, tmp_path_factory):
    """A part behind the miniature run, of other demonstrations: its tokenizer kept, its policy a tiny step further."""
    run_dir = tmp_path_factory.mktemp("second")
    write_example_task(run_dir)
    run_part("rfsq", run_dir, preflight_run)
    run_part("policy", run_dir, preflight_run, learning_rate=1e-9)
    return run_dir


def test_the_tokenizer_is_kept_to_the_bit_and_judged_on_the_new_demonstrations(second, preflight_run):
    kept, first = load_tokenizer(second), load_tokenizer(preflight_run)
    assert kept.token_hash == first.token_hash
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 8, 7)).astype(np.float32)
    np.testing.assert_array_equal(kept.tokenize(actions), first.tokenize(actions))
    metrics = [json.loads((run / "rfsq/metrics.json").read_text()) for run in (second, preflight_run)]
    assert metrics[0]["heldout_token_mse"] != metrics[1]["heldout_token_mse"]


def test_the_policy_begins_with_the_weights_and_the_normalisations_of_the_part_before(second, preflight_run):
    began, found = load_policy(preflight_run), load_policy(second)
    for name, tolerance in (("backbone", 1e-6), ("head", 1e-6), ("proprio", 0), ("action", 0)):
        before, after = (getattr(each.variables, name) for each in (began, found))
        jax.tree.map(partial(np.testing.assert_allclose, rtol=0, atol=tolerance), after, before)
    assert found.params_hash != began.params_hash


def test_checkpoint_metrics_and_reader_list_the_parts_and_those_before_them(second, preflight_run, tmp_path):
    (before,) = load_stage(second, "policy").metadata.parts
    assert before["run"] == str(preflight_run)
    assert before["checkpoint"] == checkpoint_digests(preflight_run, ["policy"])["policy"]
    assert (before["stage"], before["steps"], before["best_step"]) == ("policy", 20, 20)
    training = json.loads((preflight_run / "policy/metrics.json").read_text())["training"]
    for name in ("seconds", "device", "num_devices"):
        assert before[name] == training[name]
    assert before["demonstrations"][0]["demonstrations"] > 0
    assert json.loads((second / "policy/metrics.json").read_text())["training"]["parts"] == [before]
    first, own = read_parts(str(second), "policy")
    assert first == before
    assert (own["run"], own["steps"]) == (str(second), 1)
    assert own["demonstrations"] == [
        {"folder": "suite", "demonstrations": 4, "in_layouts": 0, "first_seed": 0, "last_seed": 3}
    ]
    (tmp_path / "third").mkdir()
    write_example_task(tmp_path / "third")
    stage = build_stage("rfsq", settings("rfsq"), tmp_path / "third", start_from=str(second))
    assert [part["run"] for part in stage.parts] == [str(preflight_run), str(second)]


def test_what_is_shipped_lists_what_its_checkpoint_alone_tells():
    assert named_run("pretrained/libero_spatial") == PRETRAINED
    (part,) = read_parts("pretrained/libero_spatial", "policy")
    assert (part["run"], part["steps"], part["best_step"]) == ("pretrained/libero_spatial", 10000, 10000)
    assert part["seconds"] > 100
    assert (part["demonstrations"], part["device"]) == (None, None)
    fits = settings("policy", "libero_spatial")
    fits = replace(fits, backbone={**fits.backbone, "chunks": 1})
    check_start("policy", fits, "pretrained/libero_spatial")


def test_a_part_that_is_interrupted_goes_on_from_its_own_state(tmp_path):
    given = {"bias": np.full(4, 7, np.float32)}
    read = []
    stage = make_toy_stage(parts=[{"checkpoint": "one"}], starts_from=lambda: read.append(True) or given)
    config = TrainingConfig(steps=4, batch_size=8, learning_rate=1e-9, evaluate_every=2, checkpoint_every=2)
    with pytest.raises(TrainingInterrupted):
        train(replace(stage, evaluate=TerminateAt(1, stage.evaluate)), config, tmp_path / "toy", MESH)
    assert load_stage(tmp_path, "toy", "latest").metadata.step == 2
    found = train(stage, config, tmp_path / "toy", MESH)
    assert read == [True]
    np.testing.assert_allclose(found.params["bias"], given["bias"], rtol=1e-6)
    assert load_stage(tmp_path, "toy").metadata.parts == [{"checkpoint": "one"}]
    for other, begun in ((make_toy_stage(), "None"), (replace(stage, parts=[{"checkpoint": "two"}]), "two")):
        with pytest.raises(ConfigMismatchError, match=f"start_from: one there, {begun} now"):
            train(other, config, tmp_path / "toy", MESH)


def test_what_does_not_fit_is_named(second, preflight_run, tmp_path):
    def refused(stage, model=None, source=preflight_run, run_dir=second):
        with pytest.raises(StartMismatchError) as caught:
            build_stage(stage, model or settings(stage), run_dir, start_from=str(source))
        return str(caught.value)

    tiny = settings("policy")
    assert "backbone.image_size: 32 there, 64 here" in refused(
        "policy", replace(tiny, backbone={**tiny.backbone, "image_size": 64})
    )
    assert "backbone.width: 16 there, 32 here" in refused(
        "policy", replace(tiny, backbone={**tiny.backbone, "width": 32})
    )
    assert "backbone.image_size: 128 there, 32 here" in refused("policy", source=PRETRAINED)
    wider = settings("rfsq", "staggered")
    assert "layout.num_layers: 4 there, 8 here" in refused("rfsq", wider)
    assert "head.kind: None there, two_step here" in refused("policy", replace(tiny, learns="two_steps"))


def test_another_tokenizer_is_refused(preflight_run, second, tmp_path):
    for name, folder in (("demos", second / "demos"), ("rfsq", PRETRAINED / "rfsq")):
        (tmp_path / name).symlink_to(folder, target_is_directory=True)
    with pytest.raises(StartMismatchError, match=r"normalizer\.half_range: .* there.*(\n.*)*tokenizer_hash: "):
        build_stage("policy", settings("policy"), tmp_path, start_from=str(preflight_run))


def test_impossible_starts_are_refused(preflight_run, second, tmp_path):
    with pytest.raises(ValueError, match="is the run itself"):
        build_stage("policy", settings("policy"), second, start_from=str(second))
    with pytest.raises(ValueError, match=r"stage 'confidence' begins anew in every part; those that can .* are rfsq"):
        build_stage("confidence", settings("confidence"), second, start_from=str(preflight_run))
    with pytest.raises(MissingCheckpointError, match="no checkpoint of stage 'policy'"):
        check_start("policy", settings("policy"), str(Path(tmp_path) / "nowhere"))
