import logging
import os
import signal

import jax
import numpy as np
import pytest

from rsd_jax.distributed import hosts
from rsd_jax.distributed.mesh import MeshConfig, make_mesh

VARIABLES = ("RSD_COORDINATOR", "RSD_NUM_PROCESSES", "RSD_PROCESS_ID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES")


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
    assert calls == [(("host:5", 4, 0), {"heartbeat_timeout_seconds": 75})]


def set_slurm(monkeypatch, **changes):
    """The variables of the second of two tasks, as srun sets them; None for one that is missing."""
    values = {"STEP_NUM_TASKS": "2", "JOB_ID": "7", "NTASKS": "2", "PROCID": "1", "LOCALID": "1", "STEP_NODELIST": "a"}
    for name, value in (values | changes).items():
        if value is None:
            monkeypatch.delenv(f"SLURM_{name}", raising=False)
        else:
            monkeypatch.setenv(f"SLURM_{name}", value)


def test_a_slurm_step_of_several_tasks_is_joined(calls, monkeypatch):
    set_slurm(monkeypatch)
    hosts.initialise()
    assert calls == [((), {"cluster_detection_method": "slurm", "heartbeat_timeout_seconds": 75})]


def test_the_only_task_of_a_slurm_node_has_all_its_devices(calls, monkeypatch):
    """JAX would leave it the first."""
    set_slurm(monkeypatch, STEP_NUM_NODES="2")
    hosts.initialise()
    set_slurm(monkeypatch, STEP_NUM_NODES="1")
    hosts.initialise()
    assert [options.get("local_device_ids") for _, options in calls] == [[], None]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"STEP_NODELIST": None}, "SLURM_STEP_NUM_TASKS=2 .* but SLURM_STEP_NODELIST is not set; start .* with srun"),
        ({"JOB_ID": None, "LOCALID": ""}, "but SLURM_JOB_ID, SLURM_LOCALID are not set"),
        ({"PROCID": "one"}, "SLURM_PROCID must be a non-negative integer, got 'one'"),
        ({"PROCID": "2"}, "SLURM_PROCID counts from 0 and must be below SLURM_NTASKS=2, got 2"),
        ({"NTASKS": "4"}, "SLURM_NTASKS=4 and SLURM_STEP_NUM_TASKS=2 must be equal"),
        ({"STEP_NUM_TASKS": "2(x2)"}, r"SLURM_STEP_NUM_TASKS must be a non-negative integer, got '2\(x2\)'"),
    ],
)
def test_a_slurm_step_that_is_set_in_part_is_an_error(calls, monkeypatch, changes, message):
    set_slurm(monkeypatch, **changes)
    with pytest.raises(ValueError, match=message):
        hosts.initialise()
    assert calls == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("node1", 2, 0), "RSD_COORDINATOR must be HOST:PORT of process 0, for example node1:29500, got 'node1'"),
        (("", 2, 0), "RSD_COORDINATOR must be HOST:PORT of process 0"),
        (("node1:port", 2, 0), "got 'node1:port'"),
        (("node1:5", 2, 2), "RSD_PROCESS_ID counts from 0 and must be below RSD_NUM_PROCESSES=2, got 2"),
        (("node1:5", 0, 0), "below RSD_NUM_PROCESSES=0"),
        (("node1:5", 2, -1), "got -1"),
    ],
)
def test_an_address_and_numbers_must_fit(calls, arguments, message):
    with pytest.raises(ValueError, match=message):
        hosts.initialise(*arguments)
    assert calls == []


def test_half_an_answer_is_an_error_that_names_the_other_half(calls):
    with pytest.raises(ValueError, match="RSD_COORDINATOR given without RSD_NUM_PROCESSES, RSD_PROCESS_ID"):
        hosts.initialise("host:5")
    assert calls == []


def test_a_number_that_is_none_is_an_error(calls, monkeypatch):
    monkeypatch.setenv("RSD_PROCESS_ID", "first")
    with pytest.raises(ValueError, match="RSD_PROCESS_ID must be a non-negative integer, got 'first'"):
        hosts.initialise("host:5", 2)


@pytest.mark.parametrize("value", ["soon", "0", "inf"])
def test_a_time_that_is_none_is_an_error(calls, monkeypatch, value):
    monkeypatch.setenv("RSD_PEER_TIMEOUT", value)
    with pytest.raises(ValueError, match=rf"RSD_PEER_TIMEOUT .* must be at least 1 second, got '{value}'"):
        hosts.initialise("host:5", 2, 0)


def test_failure_to_join_is_not_swallowed(monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("unreachable")

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    with pytest.raises(hosts.ProcessesNotJoined, match=r"did not find each other: unreachable; all of them must be"):
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
