"""The stages that fit a cascade's threshold and check it."""

import dataclasses
import json
from itertools import pairwise
from pathlib import Path

import pytest

from configs import libero_spatial, quickstart
from eval_bridge.runs.calibration_stages import CalibrationPlan
from eval_bridge.runs.pipeline_stages import PipelinePlan, stages_of
from launch.config_flags import parse_config
from rsd_jax.registry import to_dataclass

PLAN = CalibrationPlan("confidence", 0.05, 0.1, "libero_development", 20)
FITTED = "rule=confidence threshold=0.2 longest_run=7"


def stages(run_dir: Path, plan: CalibrationPlan = PLAN, settings: str = ""):
    made = stages_of(
        PipelinePlan(run_dir, "libero_spatial", 0, ("fixed_point", "cascade"), {"cascade": settings}, calibration=plan)
    )
    return {stage.name: stage for stage in made}


def config_of(stage):
    return parse_config(stage.command[3:])


def test_the_threshold_is_fitted_before_the_evaluation_and_checked_behind_it_on_other_episodes():
    found = stages(Path("runs/x"))
    names = ["watch", "calibrate", "evaluate_cascade", "watch_others", "check", "report"]
    assert list(found)[-6:] == names
    for earlier, later in pairwise(names[:-1]):
        assert earlier in found[later].reads or later == "watch_others"
    watched, others = config_of(found["watch"]), config_of(found["watch_others"])
    for config in (watched, others):
        assert (config.simulator, config.episodes_per_task) == ("libero_development", 20)
        assert config.decoder == "cascade"
        assert "shadow=true" in config.decoder_settings
    assert (watched.first_episode, others.first_episode) == (0, 20)
    assert (watched.calibration, others.calibration) == ("", "confidence_alpha0.05_epsilon0.1")
    assert str(found["calibrate"]) == (
        "python -m launch.calibrate --run_dir runs/x --watched runs/x/watched --rule confidence --alpha 0.05 "
        "--epsilon 0.1"
    )
    assert str(found["check"]) == f"{found['calibrate']} --checked runs/x/checked"
    evaluated = config_of(found["evaluate_cascade"])
    assert (evaluated.simulator, evaluated.calibration) == ("libero", "confidence_alpha0.05_epsilon0.1")
    assert evaluated.decoder_settings == ""
    assert config_of(found["report"]).calibration == ""  # of the headline


def test_settings_of_its_own_need_no_calibration():
    found = stages(Path("runs/x"), settings="rule=agreement")
    assert not {"watch", "calibrate", "check"} & set(found)
    assert config_of(found["evaluate_cascade"]).calibration == ""


def calibrated(run_dir: Path, **facts) -> None:
    path = PLAN.path(run_dir)
    path.parent.mkdir(exist_ok=True)
    kept = {"decoder": "cascade", "settings": FITTED, "threshold": 0.2, "checked_on": None, "checkpoints": {}}
    path.write_text(json.dumps(kept | facts))


def test_an_evaluation_is_finished_by_the_fitted_threshold_alone(tmp_path):
    evaluate = stages(tmp_path)["evaluate_cascade"]
    evaluate.output.mkdir()
    (evaluate.output / "report.html").touch()
    for settings, is_finished in ((FITTED, True), ("rule=confidence threshold=0.3 longest_run=7", False)):
        summary = {"decoder": "cascade", "decoder_settings": settings, "episodes": 5, "planned": 5}
        (evaluate.output / "summary.json").write_text(json.dumps(summary))
        PLAN.path(tmp_path).unlink(missing_ok=True)
        assert not evaluate.is_finished(evaluate.output)  # nothing is fitted yet
        calibrated(tmp_path)
        assert evaluate.is_finished(evaluate.output) == is_finished


def test_a_calibration_is_finished_with_a_threshold_and_a_check_with_what_was_met(tmp_path):
    found = stages(tmp_path)
    done = lambda: [found[name].is_finished(found[name].output) for name in ("calibrate", "check")]  # noqa: E731
    assert done() == [False, False]
    calibrated(tmp_path, threshold=None)
    assert done() == [False, False]
    calibrated(tmp_path)
    assert done() == [True, False]
    calibrated(tmp_path, checked_on={"risk": 0.04})
    assert done() == [True, True]
    PLAN.path(tmp_path).write_text("{")
    with pytest.raises(ValueError, match=r"damaged.*launch.calibrate makes it again"):
        done()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "hope"}, "rule='hope' must be one of"),
        ({"epsilon": 0.0}, "epsilon=0.0 must be above 0"),
        ({"alpha": 1.0}, "alpha=1.0 must lie between 0 and 1"),
        ({"episodes_per_task": 0}, "episodes_per_task=0 must be at least 1"),
    ],
)
def test_impossible_plans_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PLAN, **changes)


@pytest.mark.parametrize("pipeline", [quickstart, libero_spatial])
def test_the_pipelines_never_fit_on_evaluation_states(pipeline):
    for variant in pipeline.VARIANTS:
        plan = to_dataclass(CalibrationPlan, pipeline.get_config(variant).calibration.to_dict())
        assert plan.simulator == ("point_mass" if variant == "tiny" else "libero_development")
