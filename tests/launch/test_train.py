import json
import sys

import numpy as np
import pytest

from launch import train as launch_train
from launch.config_flags import run
from tests.rsd_jax.demos.demo_examples import write_example_task
from tests.rsd_jax.training.run_fingerprint import saved_arrays
from tests.rsd_jax.training.run_processes import REPOSITORY, free_port, outputs_of, start

RFSQ_TINY = f"{REPOSITORY}/configs/rfsq.py:tiny"


def make_run(folder):
    """A run folder with demonstrations of one task."""
    write_example_task(folder)
    return folder


def test_two_processes_agree_with_one(tmp_path, monkeypatch, capsys):
    """The real command on the real tokenizer stage; one process of two devices is in test_processes.py."""
    one, two = (make_run(tmp_path / name) for name in ("one", "two"))
    config = [f"--config={RFSQ_TINY}", "--config.model.num_layers=2"]  # fewer layers, shorter compilation
    monkeypatch.setattr(sys, "argv", ["train", *config, f"--config.run_dir={one}"])
    run(launch_train.main, options=launch_train.OPTIONS)
    table = capsys.readouterr().out
    cluster = [*config, f"--config.run_dir={two}", f"--coordinator=localhost:{free_port()}", "--num_processes=2"]
    primary, other = outputs_of(*(start("launch.train", *cluster, f"--process_id={index}") for index in range(2)))
    assert "heldout_token_mse" in table
    assert "20 steps" in primary
    assert "steps" not in other
    expected, found = saved_arrays(one / "rfsq"), saved_arrays(two / "rfsq")
    assert expected.keys() == found.keys()
    trained = [name for name in expected if "variables" in name]
    assert trained
    for name in trained:
        difference = np.linalg.norm(expected[name].astype(np.float64) - found[name])
        assert difference <= 1e-6 * np.linalg.norm(expected[name]), name
    assert json.loads((two / "rfsq" / "metrics.json").read_text())["training"]["num_processes"] == 2


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--config.seed=0", r"error: no demonstrations in .*python -m launch.collect --config configs/demos.py"),
        ("--config.mesh.data=9", r"error: mesh data=9 .* asks for 9 devices, but 1 exists"),
        ("--config.training.steps=0", r"error: training.steps must be at least 1, got 0"),
        ("--config.stage=rfqs", r"error: stage 'rfqs' does not exist; stages: rfsq, policy, draft, main_head"),
        ("--config.trainin.steps=1", r"error: .* has no key 'trainin.steps'; did you mean 'training.steps'"),
    ],
)
def test_wrong_input_is_one_message_and_leaves_nothing(tmp_path, monkeypatch, argument, message):
    run_dir = tmp_path / "run"
    monkeypatch.setattr(sys, "argv", ["train", f"--config={RFSQ_TINY}", f"--config.run_dir={run_dir}", argument])
    with pytest.raises(SystemExit, match=message):
        run(launch_train.main, options=launch_train.OPTIONS)
    assert not run_dir.exists()


def test_the_table_names_metrics_steps_and_device(tmp_path):
    training = {"steps": 20, "seconds": 1.5, "num_devices": 2, "device": "cpu", "best_step": 10}
    table = launch_train.final_table({"mse": 0.123456, "by_layer": [0.5, 0.25], "training": training}, tmp_path)
    assert table.splitlines() == [
        str(tmp_path),
        "by_layer                        0.5 0.25",
        "mse                             0.1235",
        "training                        20 steps in 1.5 s on 2 x cpu, best at step 10",
    ]
