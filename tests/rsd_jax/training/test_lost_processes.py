"""A process of two dies; the other one names it and ends, and the run goes on elsewhere."""

import os
import signal
import time

import numpy as np
import pytest

from rsd_jax.checkpoints import StageCheckpoints
from rsd_jax.distributed.signs_of_life import PEER_LOST
from tests.rsd_jax.training.run_fingerprint import saved_arrays
from tests.rsd_jax.training.run_processes import TWO_DEVICES, free_port, outputs_of, start
from tests.rsd_jax.training.run_slow_training import CONFIG

MODULE = "tests.rsd_jax.training.run_slow_training"
LIMIT = 6


@pytest.fixture(scope="module")
def lost(tmp_path_factory):
    """The folder of the run, the last step on the disk, the seconds until the survivor's end, its status and words."""
    folder = tmp_path_factory.mktemp("lost")
    run = {
        "RSD_COORDINATOR": f"localhost:{free_port()}",
        "RSD_NUM_PROCESSES": "2",
        "RSD_PEER_TIMEOUT": str(LIMIT),
    }
    processes = [start(MODULE, str(folder), "0.3", **run, RSD_PROCESS_ID=str(index)) for index in range(2)]
    checkpoints = StageCheckpoints(folder / "toy")
    try:
        until = time.monotonic() + 120
        while checkpoints.find("latest") is None and time.monotonic() < until:
            time.sleep(0.1)
        os.kill(processes[1].pid, signal.SIGSTOP)  # which leaves its connections open, as a host that is lost does
        stopped = time.monotonic()
        _, words = processes[0].communicate(timeout=120)
        seconds = time.monotonic() - stopped
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return folder, int(checkpoints.find("latest").name), seconds, processes[0].returncode, words


def test_the_other_one_names_it_in_time_and_ends(lost):
    _, _, seconds, status, words = lost
    assert status == PEER_LOST, words
    assert "error: process 1 (pid " in words
    assert f"has given no sign of life for {LIMIT} s; this process ends, as all others do" in words
    assert seconds < 10 * LIMIT


def test_the_run_goes_on_with_another_number_of_processes_and_devices(lost, tmp_path):
    folder, step, *_ = lost
    assert 0 < step < CONFIG.steps
    resumed = start(MODULE, str(folder), "0", **TWO_DEVICES)
    _, words = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, words
    assert f"stage toy goes on at step {step} " in words
    outputs_of(start(MODULE, str(tmp_path), "0"))
    found, expected = saved_arrays(folder / "toy"), saved_arrays(tmp_path / "toy")
    trained = [name for name in expected if name.startswith("latest") and "variables" in name]
    assert trained
    for name in trained:
        difference = np.linalg.norm(found[name].astype(np.float64) - expected[name])
        assert difference <= 1e-5 * np.linalg.norm(expected[name]), name
