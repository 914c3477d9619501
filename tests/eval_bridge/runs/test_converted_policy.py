from dataclasses import replace
from pathlib import Path

import pytest

from configs import openvla
from eval_bridge.preflight.stage_needs import needs_of
from eval_bridge.runs.calibration_stages import CalibrationPlan
from eval_bridge.runs.converted_policy import ConvertedPolicy, has_checkpoint, has_features
from eval_bridge.runs.pipeline_stages import PipelinePlan, stages_of
from launch.pipeline import read_config
from rsd_jax.registry import to_dataclass
from rsd_jax.stored_models import load_policy
from rsd_jax.stored_models.openvla.random_policy import write_random_policy

RUN = Path("runs/x")


def converted(variant="tiny", **changes):
    return replace(to_dataclass(ConvertedPolicy, openvla.get_config(variant).openvla.to_dict()), **changes)


def stages(policy):
    plan = PipelinePlan(RUN, "tiny", 3, ("speculative_greedy", "l1_regression"), converted=policy)
    return {stage.name: stage for stage in stages_of(plan)}


def test_the_policy_comes_before_the_tokenizer_and_features_before_the_heads():
    found = stages(converted())
    trained = ["rfsq", "draft", "main_head"]
    assert list(found) == ["collect", "policy", "features", *trained, "evaluate", "evaluate_l1_regression", "report"]
    assert found["rfsq"].reads == ("collect", "policy", "features")
    assert found["draft"].reads == ("collect", "policy", "features", "rfsq")
    assert found["features"].reads == ("policy", "collect")
    assert "--config.image_size=256" in found["collect"].command
    assert "--config.model.action_range=policy" in found["rfsq"].command
    assert str(found["features"]) == (
        "python -m launch.extract_features --run_dir runs/x --batch_size=16 --fsdp=1 --tensor=1"
    )


def test_without_a_checkpoint_weights_are_random():
    told = str(stages(converted())["policy"])
    assert told == "python -m launch.convert_openvla --random tiny --seed=3 --out runs/x --heldout_every=2"
    assert converted().source == "random tiny"
    published = converted("libero_spatial", checkpoint="folder", base="other", exit_block=8)
    assert str(stages(published)["policy"]) == (
        "python -m launch.convert_openvla --source folder --base=other --out runs/x --dtype=bfloat16 --exit_block=8 "
        "--heldout_every=10"
    )
    assert published.source == "folder, 8 blocks"


def test_a_fine_tuned_policy_is_taken_as_it_is_and_is_the_only_source():
    taken = converted("libero_spatial", policy="runs/finetuned/", exit_block=4)
    assert str(stages(taken)["policy"]) == (
        "python -m launch.convert_openvla --policy runs/finetuned/ --out runs/x --exit_block=4"
    )
    assert taken.source == "policy of runs/finetuned, 4 blocks"
    with pytest.raises(ValueError, match=r"runs/finetuned has no policy to take; .*launch\.export_finetuned"):
        needs_of(stages(taken)["policy"].command, read_config)
    for two, named in (
        ({"checkpoint": "folder", "hub": "a/b"}, r"openvla\.checkpoint='folder' and openvla\.hub='a/b' are 2 sources"),
        ({"policy": "runs/a", "hub": "a/b"}, r"openvla\.policy='runs/a' and openvla\.hub='a/b' are 2 sources"),
        (
            {"policy": "runs/a", "checkpoint": "b"},
            r"give one, or none .* the random weights of openvla\.random",
        ),
    ):
        with pytest.raises(ValueError, match=named):
            converted(**two)


def test_the_draft_policy_of_a_cascade_learns_from_stored_features_and_remembers_none():
    plan = PipelinePlan(RUN, "tiny", 3, ("l1_regression", "cascade"), converted=converted())
    found = {stage.name: stage for stage in stages_of(plan)}
    assert found["draft_policy"].reads[:3] == ("collect", "policy", "features")
    assert found["draft_policy"].command[-2:] == ["--config.model.taught_on=frames", "--config.model.oldest_look=0"]
    assert needs_of(found["draft_policy"].command, read_config).rows_of == RUN
    assert found["confidence"].command[-1] == "--config.seed=3"


def test_the_cascade_is_fitted_with_a_longest_run_of_its_own():
    values = openvla.get_config("tiny").to_dict()
    calibration = to_dataclass(CalibrationPlan, values["calibration"])
    plan = PipelinePlan(RUN, "tiny", 3, values["decoders"], calibration=calibration, converted=converted())
    watch = next(stage for stage in stages_of(plan) if stage.name == "watch")
    assert watch.command[-1] == "--config.decoder_settings=shadow=true rule=confidence longest_run=2"
    with pytest.raises(ValueError, match=r"calibration\.longest_run=-1 must not be negative"):
        replace(calibration, longest_run=-1)


def test_every_command_is_one_that_the_preflight_knows():
    for stage in stages(converted()).values():
        assert needs_of(stage.command, read_config).device or stage.name == "collect"


def test_features_are_there_when_they_are_of_the_policy_that_is_there(tmp_path):
    assert not has_checkpoint(tmp_path / "policy")
    assert not has_features(tmp_path / "rows")
    write_random_policy("tiny", tmp_path)
    assert has_checkpoint(tmp_path / "policy")
    (tmp_path / "rows" / "features2-0123-fedcba9876543210").mkdir(parents=True)
    assert not has_features(tmp_path / "rows")
    params_hash = load_policy(tmp_path, with_backbone=False).params_hash
    (tmp_path / "rows" / f"features2-0123-{params_hash[:16]}").mkdir()
    assert has_features(tmp_path / "rows")
