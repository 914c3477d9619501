import subprocess
import sys

import pytest

from launch.extract_features import main
from rsd_jax.stored_models.openvla.random_policy import write_random_policy
from tests.rsd_jax.demos.demo_examples import example_demo
from tests.rsd_jax.training.test_large_frames import enlarged, write_run


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    write_random_policy("tiny", run_dir, heldout_every=2)
    return write_run(run_dir, [enlarged(example_demo(seed, steps=9)) for seed in (0, 1)])


def test_features_are_written_once_and_checked_from_then_on(run_dir, capsys):
    arguments = ["--run_dir", str(run_dir), "--batch_size", "2"]
    main(arguments)
    told = capsys.readouterr().out
    assert told.startswith("4 rows in ")
    main(arguments)
    assert capsys.readouterr().out == f"all there, as their digests say\nfeatures in {told.split('features in ')[1]}"
    (file,) = (run_dir / "rows").glob("features*/train.features.bin")
    file.write_bytes(bytes(file.stat().st_size))
    with pytest.raises(ValueError, match=r"train\.features\.bin is altered"):
        main(arguments)


def test_an_error_is_one_line(tmp_path):
    command = [sys.executable, "-m", "launch.extract_features", "--run_dir", str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 1
    assert process.stderr.startswith("error: no checkpoint of stage 'policy'")
