import json
import subprocess
import sys

import pytest

from configs import ablations
from launch.config_flags import ConfigError, parse_config
from tests.eval_bridge.runs.ablation.ablation_examples import (
    CONFIG_FILE,
    make_run_dir,
    two_trials,
    write_evaluation,
    write_policy,
)


@pytest.fixture
def run_dir(tmp_path):
    return make_run_dir(tmp_path)


def test_config_is_locked():
    with pytest.raises(AttributeError, match="parallel_evaluations"):
        ablations.get_config().parallel_evaluation = 2
    with pytest.raises(ConfigError, match="no variant"):
        parse_config(["--config", f"{CONFIG_FILE}:small"])


def test_command_line_writes_results_and_fails_when_a_policy_did(run_dir):
    for trial in two_trials(run_dir)[:1]:
        trial.prepare()
        write_policy(trial.training.output, 0.1)
        write_evaluation(trial.evaluation.output, "+-")
    fixed = [f"--config.run_dir={run_dir}", f"--config.out={run_dir}/out.json"]
    command = [sys.executable, "-m", "launch.ablate", "--config", f"{CONFIG_FILE}:tiny", *fixed]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert "error: 1 of 2 policies failed" in process.stderr
    assert "no_shift, seed 0: stage policy failed" in process.stderr  # its demonstrations are none
    assert list(json.loads((run_dir / "out.json").read_text())["variants"]) == ["base"]
    assert "1 of 2" in (run_dir / "out.md").read_text()
    assert "Traceback" not in process.stderr.partition("error: 1 of 2")[0]
