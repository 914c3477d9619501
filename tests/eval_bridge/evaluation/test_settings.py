"""What an evaluation is asked for, before any checkpoint is loaded."""

import json

import pytest

from eval_bridge.evaluation.settings import EvaluationSettings
from launch.config_flags import parse_config
from rsd_jax.registry import to_dataclass


def settings(run_dir, *overrides):
    config = parse_config(["--config", "configs/libero_eval.py", f"--config.run_dir={run_dir}", *overrides])
    return to_dataclass(EvaluationSettings, config.to_dict())


def calibrate(run_dir):
    (run_dir / "calibrations").mkdir()
    kept = {"decoder": "cascade", "settings": "rule=agreement tolerance=0.25", "checkpoints": {}}
    (run_dir / "calibrations" / "mine.json").write_text(json.dumps(kept))


def test_a_cascade_has_the_fitted_settings_beside_its_own(tmp_path):
    calibrate(tmp_path)
    cascade = ("--config.decoder=cascade", "--config.calibration=mine")
    asked = settings(tmp_path, *cascade).with_fitted_settings()
    assert asked.decoder_settings == "rule=agreement tolerance=0.25"
    watched = settings(tmp_path, *cascade, "--config.decoder_settings=shadow=true").with_fitted_settings()
    assert watched.decoder_settings == "shadow=true rule=agreement tolerance=0.25"
    assert settings(tmp_path).with_fitted_settings() == settings(tmp_path)


def test_a_rule_is_not_given_twice(tmp_path):
    calibrate(tmp_path)
    named = ("--config.decoder=cascade", "--config.calibration=mine", "--config.decoder_settings=rule=both")
    with pytest.raises(ValueError, match=r"decoder_settings=.* gives rule twice"):
        settings(tmp_path, *named).with_fitted_settings()


def test_what_has_no_threshold_has_no_calibration(tmp_path):
    with pytest.raises(ValueError, match=r"calibration='mine' .* decoder=speculative_greedy has none: leave it out"):
        settings(tmp_path, "--config.calibration=mine")
