import json
import subprocess
import sys

import numpy as np
import pytest

from eval_bridge.observations import Observation
from eval_bridge.policies.compiled_policy import CompiledPolicy
from launch.convert_openvla import main
from rsd_jax.backbones.openvla.configuration import TINY
from rsd_jax.stored_models import load_policy
from tests.rsd_jax.stored_models.openvla_files import DATASET, write_published


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    write_published(folder, TINY)
    return folder


def test_a_converted_policy_acts_and_is_written_back(published, tmp_path, capsys):
    run_dir, back = tmp_path / "run", tmp_path / "back"
    main(["--source", str(published), "--out", str(run_dir), "--dtype", "bfloat16", "--prompt_length", "20"])
    assert f"arrays in {run_dir}/policy/best/00000000, ranges of {DATASET}" in capsys.readouterr().out
    policy = load_policy(run_dir)
    assert policy.backbone.prompt_length == 20
    assert policy.variables.head["first"]["kernel"].dtype == "bfloat16"
    frames = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    observation = Observation(*frames, np.zeros(8, np.float32), "pick up the black bowl")
    chunk = CompiledPolicy.load(run_dir, decoder="l1_regression").act(observation)
    assert chunk.actions.shape == (8, 7)
    assert np.isfinite(chunk.actions).all()
    assert set(np.unique(chunk.actions[:, -1])) <= {-1.0, 1.0}
    main(["--source", str(run_dir), "--to", "huggingface", "--out", str(back)])
    assert capsys.readouterr().out == f"{tensors_of(published)} tensors in {back}\n"
    assert (back / "dataset_statistics.json").read_text() == (published / "dataset_statistics.json").read_text()


def tensors_of(folder):
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "np") as file:
        return len(list(file.keys())) + 4 + 16


def test_an_error_is_one_message_and_nothing_is_written(published, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llava"}))
    (tmp_path / "model.safetensors").write_bytes((published / "model.safetensors").read_bytes())
    command = [
        sys.executable,
        "-m",
        "launch.convert_openvla",
        "--source",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
    ]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 1
    assert process.stderr.startswith(f"error: {tmp_path} cannot be converted; nothing was written:\n  config.json has")
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "out").exists()


def test_a_source_is_asked_for(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path)])
    assert "one of the arguments --source --random --hub --policy is required" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--hub", "owner/name", "--to", "huggingface", "--out", str(tmp_path)])
    assert "--to huggingface takes --source RUN and --out alone" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--policy", "runs/a", "--dtype", "bfloat16", "--out", str(tmp_path)])
    assert "--policy takes neither --base, --statistics_key nor --dtype" in capsys.readouterr().err
