import logging
import os
import signal

import jax
import numpy as np
import pytest

from rsd_jax.distributed import hosts
from rsd_jax.distributed.mesh import MeshConfig, make_mesh

VARIABLES = ("RSD_COORDINATOR", "RSD_NUM_PROCESSES", "RSD_PROCESS_ID", "SLURM_STEP_NUM_TASKS")


@pytest.fixture
def calls(monkeypatch):
    """Arguments with which the processes would have been joined."""
    made = []
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(jax.distributed, "initialize", lambda *args, **kwargs: made.append((args, kwargs)))
    return made


def test_alone_it_stays_local_and_says_so(calls, caplog):
    with caplog.at_level(logging.INFO, logger="rsd_jax"):
        hosts.initialise()
    assert calls == []
    assert "running as one local process" in caplog.text


def test_arguments_win_over_variables(calls, monkeypatch):
    monkeypatch.setenv("RSD_COORDINATOR", "other:1")
    monkeypatch.setenv("RSD_NUM_PROCESSES", "4")
    monkeypatch.setenv("RSD_PROCESS_ID", "3")
    hosts.initialise("host:5", process_id=0)
    assert calls == [(("host:5", 4, 0), {})]


def test_a_slurm_step_of_several_tasks_is_joined(calls, monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    hosts.initialise()
    assert calls == [((), {"cluster_detection_method": "slurm"})]


def test_half_an_answer_is_an_error_that_names_the_other_half(calls):
    with pytest.raises(ValueError, match="RSD_COORDINATOR given without RSD_NUM_PROCESSES, RSD_PROCESS_ID"):
        hosts.initialise("host:5")
    assert calls == []


def test_a_number_that_is_none_is_an_error(calls, monkeypatch):
    monkeypatch.setenv("RSD_PROCESS_ID", "first")
    with pytest.raises(ValueError, match="RSD_PROCESS_ID must be a non-negative integer, got 'first'"):
        hosts.initialise("host:5", 2)


def test_failure_to_join_is_not_swallowed(monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("unreachable")

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    with pytest.raises(RuntimeError, match="unreachable"):
        hosts.initialise("host:5", 2, 0)


def test_the_primary_value_keeps_all_its_bits():
    assert hosts.from_primary(0.1) == 0.1


def test_replicate_and_fetch_are_inverse():
    mesh = make_mesh(MeshConfig())
    tree = {"a": np.arange(3, dtype=np.float32), "b": np.array(2, np.int32)}
    back = hosts.fetch(hosts.replicate(tree, mesh))
    assert {name: value.tolist() for name, value in back.items()} == {"a": [0.0, 1.0, 2.0], "b": 2}


def test_sigterm_is_noted_and_the_previous_handler_restored():
    previous = signal.getsignal(signal.SIGTERM)
    with hosts.TerminationSignal() as termination:
        assert not termination.received(synchronise=False)
        os.kill(os.getpid(), signal.SIGTERM)
        assert termination.received(synchronise=False)
    assert signal.getsignal(signal.SIGTERM) is previous
