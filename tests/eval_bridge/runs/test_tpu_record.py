import json

import jax
import pytest

from eval_bridge.runs import tpu_record
from eval_bridge.runs.tpu_record import add_topology, compile_for_topology
from launch.config_flags import load_config
from rsd_jax.distributed.ahead_of_time import NoCompilerError, has_tpu_compiler, topology_devices

needs_compiler = pytest.mark.skipif(not has_tpu_compiler(), reason="no compiler for TPUs: make set-up-tpu")
EFFORTS = ("jax_exec_time_optimization_effort", "jax_memory_fitting_effort")


@pytest.fixture
def made_by(monkeypatch):
    """Sets the commit that a record is made by."""
    monkeypatch.setattr(tpu_record, "tpu_compiler_version", lambda: "1.0")
    return lambda commit: monkeypatch.setattr(tpu_record, "git_commit", lambda: commit)


def test_topologies_of_the_same_code_stand_together_and_others_go(tmp_path, made_by):
    costs = {"policy/train_step": {"hbm_bytes": 1, "flops": 2}}
    made_by("abc")
    for topology in ("v5e:2x4", "v6e:2x4"):
        add_topology(tmp_path / "tpu.json", topology, costs)
    assert json.loads((tmp_path / "tpu.json").read_text())["topologies"] == {"v5e:2x4": costs, "v6e:2x4": costs}
    made_by("def")
    add_topology(tmp_path / "tpu.json", "v5p:2x2x4", costs)
    record = json.loads((tmp_path / "tpu.json").read_text())
    assert (list(record["topologies"]), record["commit"]) == (["v5p:2x2x4"], "def")
    assert record["versions"]["libtpu"] == "1.0"


def test_without_a_compiler_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("TPU_LIBRARY_PATH", "/nowhere/libtpu.so")
    with pytest.raises(NoCompilerError, match=r"no compiler for TPUs: make set-up-tpu, or name the libtpu.so"):
        topology_devices("v5e:2x4")


@pytest.fixture
def little_effort():
    """Of the compiler: a third of its time, and programs that nobody runs."""
    for effort in EFFORTS:
        jax.config.update(effort, -1.0)
    yield
    for effort in EFFORTS:
        jax.config.update(effort, 0.0)


@needs_compiler
def test_a_tiny_policy_and_the_chunks_compile_for_eight_devices(monkeypatch, little_effort):
    monkeypatch.setattr("eval_bridge.runs.ahead_of_time_programs.DECODERS", ("fixed_point",))
    lines = []
    policies = {"policy:tiny": load_config("configs/policy.py:tiny")[1].to_dict()}
    costs = compile_for_topology("v5e:2x4", policies, lines.append)
    assert list(costs) == ["policy:tiny/train_step", "policy:tiny/evaluation_step", "chunk/fixed_point"]
    assert all(cost["hbm_bytes"] > 2**20 and cost["flops"] > 10**6 for cost in costs.values())
    assert lines[0] == "v5e:2x4: 8 x TPU v5 lite"
    assert len(lines) == 4


@needs_compiler
def test_a_topology_that_does_not_exist_is_an_error_that_names_some():
    with pytest.raises(ValueError, match=r"no TPU topology 'v5e:3x17': .*such as v5e:2x4"):
        topology_devices("v5e:3x17")
