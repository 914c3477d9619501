import argparse
import os
import signal
import subprocess
import sys

import pytest

from launch.command_line import path_argument, run_command


def raising(error):
    def command():
        raise error

    return command


def test_an_expected_error_is_one_line_and_any_other_keeps_its_traceback(monkeypatch):
    with pytest.raises(SystemExit, match="error: the disk is full"):
        run_command(raising(OSError("the disk is full")))
    with pytest.raises(KeyError):
        run_command(raising(KeyError("a bug")))
    monkeypatch.setenv("RSD_TRACEBACK", "1")
    with pytest.raises(OSError, match="the disk is full"):
        run_command(raising(OSError("the disk is full")))


def test_ctrl_c_is_one_line_and_status_130(capsys):
    with pytest.raises(SystemExit) as caught:
        run_command(raising(KeyboardInterrupt()))
    assert caught.value.code == 130
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_configured_command_ends_so_too(tmp_path):
    code = (
        "import signal, time; from launch.config_flags import run; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # which jobs in the background ignore
        "run(lambda config: (print(1, flush=True), time.sleep(60)))"
    )
    command = [sys.executable, "-c", code, "--config", "configs/demos.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
    assert (process.returncode, len(error.splitlines())) == (130, 1)


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path_argument("~/x") == tmp_path / "x"


def test_a_home_folder_that_does_not_exist_is_an_error():
    with pytest.raises(argparse.ArgumentTypeError, match=r"'~nobody_here/x' lies in no home folder: there is no user"):
        path_argument("~nobody_here/x")


@pytest.mark.parametrize("platforms", ["cuda", "no_such_device"])  # JAX asserts the one, and raises at the other
def test_a_platform_that_cannot_be_had_is_one_line(platforms):
    code = "from launch.command_line import run_command; import jax; run_command(lambda: jax.numpy.zeros(1))"
    environment = os.environ | {"JAX_PLATFORMS": platforms, "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert process.returncode == 1
    assert f"error: JAX starts no device (JAX_PLATFORMS='{platforms}'): " in process.stderr
    assert "unset JAX_PLATFORMS" in process.stderr
    assert "Traceback" not in process.stderr
