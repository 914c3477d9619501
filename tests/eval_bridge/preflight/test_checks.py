"""Every check of preflight passes on the code as it is, and fails when what it checks is broken."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.policies import decoders
from eval_bridge.preflight import checks
from eval_bridge.preflight.check_table import Check, CheckFailed, as_json, run_check, run_checks
from eval_bridge.simulators.check_result import CheckResult as SelfCheckResult
from launch.config_flags import load_config
from rsd_jax.rfsq import RfsqTokenizer
from tests.eval_bridge.preflight.toy_checks import add_toy_checks


def changed(array: np.ndarray) -> np.ndarray:
    """`array` with its last entry changed."""
    other = np.array(array)
    other.flat[-1] += 1
    return other


@pytest.mark.parametrize("field", ["actions", "labels", "proprio", "agentview", "wrist", "states"])
def test_demonstration_that_changes_in_its_file_is_found(monkeypatch, tmp_path, field):
    def read_demos_wrongly(path: Path):
        demos = read_demos(path)
        object.__setattr__(demos[-1], field, changed(getattr(demos[-1], field)))
        return demos

    read_demos = checks.read_demos
    monkeypatch.setattr(checks, "NUM_DEMOS", 2)
    monkeypatch.setattr(checks, "read_demos", read_demos_wrongly)
    with pytest.raises(CheckFailed, match=f"{field} of seed 1 changed"):
        checks.check_demonstrations(tmp_path)


def test_simulator_that_does_not_replay_is_found(monkeypatch, tmp_path):
    class Drifting(checks.RecordablePointMass):
        def begin(self, start):
            state = np.array(start.state)
            state[1] += 1e-12 * np.random.default_rng().uniform(1, 2)
            super().begin(start._replace(state=state))

    monkeypatch.setattr(checks, "NUM_DEMOS", 2)
    monkeypatch.setattr(checks, "RecordablePointMass", Drifting)
    with pytest.raises(CheckFailed, match="replaying seed 0 leaves its states at step 0"):
        checks.check_demonstrations(tmp_path)


@pytest.mark.parametrize("stage", ["rfsq", "policy"])
def test_checkpoint_that_loads_other_arrays_is_found(monkeypatch, preflight_run, stage):
    """Training recognises the finished stage in the folder, so that only loading happens."""

    def load_wrongly(run_dir, name):
        loaded = load_stage(run_dir, name)
        params = checks.jax.tree.map(lambda array: array + 1, loaded.variables["params"])
        return loaded._replace(variables={**loaded.variables, "params": params})

    load_stage = checks.load_stage
    monkeypatch.setattr(checks, "load_stage", load_wrongly)
    with pytest.raises(CheckFailed, match=f"checkpoint of {stage} holds other arrays"):
        checks.check_training(preflight_run, stage, load_config(f"configs/{stage}.py:tiny")[1].to_dict())


def test_other_tokenizer_than_the_trained_one_is_found(monkeypatch, preflight_run):
    tokenizer = checks.load_tokenizer(preflight_run)
    other = tokenizer.replace(table=tokenizer.table.replace(offset=tokenizer.table.offset + 0.25))
    monkeypatch.setattr(checks, "load_tokenizer", lambda run_dir: other)
    with pytest.raises(CheckFailed, match="not the one that was trained"):
        checks.check_tokens(preflight_run)


def test_tokens_that_differ_from_training_are_found(monkeypatch, preflight_run):
    tokenize = RfsqTokenizer.tokenize
    monkeypatch.setattr(RfsqTokenizer, "tokenize", lambda self, actions: 6 - tokenize(self, actions))
    with pytest.raises(CheckFailed, match="other tokens than the loss"):
        checks.check_tokens(preflight_run)


@pytest.mark.parametrize(
    ("broken_depth", "shift", "message"), [(None, 1e-6, "other actions"), (2, jnp.nan, "first 2 ")]
)
def test_decoding_that_is_off_by_little_is_found(monkeypatch, preflight_run, broken_depth, shift, message):
    detokenize = RfsqTokenizer.detokenize

    def decode_wrongly(self, tokens, num_layers=None):
        return detokenize(self, tokens, num_layers) + (shift if num_layers == broken_depth else 0.0)

    monkeypatch.setattr(RfsqTokenizer, "detokenize", decode_wrongly)
    with pytest.raises(CheckFailed, match=message):
        checks.check_tokens(preflight_run)


def test_speculative_decoder_with_one_wrong_token_is_found(monkeypatch, preflight_run):
    def decode_wrongly(*arguments):
        result = speculative_greedy(*arguments)
        return result._replace(tokens=result.tokens.at[0, 0, 0, 0].add(1))

    speculative_greedy = decoders.speculative_greedy
    monkeypatch.setattr(decoders, "speculative_greedy", decode_wrongly)
    with pytest.raises(CheckFailed, match=r"1 of \d+ speculative tokens differ"):
        checks.check_decoders(preflight_run)


def test_policy_without_finite_actions_is_found(monkeypatch, preflight_run):
    class Frozen:
        decoder = "speculative_greedy"

        def __init__(self):
            self.observation_needs = policy.observation_needs

        def act_batch(self, requests):
            (answer,) = policy.act_batch(requests).values()
            actions = np.full_like(answer.output.actions, np.nan)
            return {0: answer._replace(output=answer.output._replace(actions=actions))}

    policy = checks.CompiledPolicy.load(preflight_run, decoder="speculative_greedy")
    monkeypatch.setattr(checks.CompiledPolicy, "load", lambda run_dir, decoder: Frozen())
    result = run_check(Check("episode", "check_episode"), preflight_run)
    assert not result.passed
    assert "not finite" in result.message


def test_broken_libero_installation_is_found(monkeypatch, tmp_path):
    class Simulator:
        task = "a_task"

        def __init__(self, suite, task): ...

        def draw_start(self, seed): ...

        def close(self): ...

    def fail(simulator, start):
        return [SelfCheckResult("gripper direction", False, "+1 should close the gripper", 0.1)]

    monkeypatch.setattr(checks, "LiberoSimulator", Simulator)
    monkeypatch.setattr(checks, "check_simulator", fail)
    result = run_check(Check("self-check", "check_libero_itself"), tmp_path)
    assert not result.passed
    assert "+1 should close the gripper" in result.message


@pytest.mark.libero
def test_the_policy_acts_in_the_installed_libero(preflight_run):
    checks.check_libero_episode(preflight_run)


@pytest.fixture
def toy_checks(monkeypatch):
    return add_toy_checks(monkeypatch)


def test_checks_run_behind_failed_ones_and_every_row_is_told(toy_checks, capsys):
    told = []
    with ThreadPoolExecutor(1) as executor:
        results = run_checks(toy_checks, executor, told.append)
    assert [result.passed for result in results] == [False, True]
    assert told == results
    assert "second line" in results[0].message
    assert "chatter" not in capsys.readouterr().out
    table = as_json(results, 1.5)
    assert [sorted(row) for row in table["checks"]] == [["name", "passed", "seconds"]] * 2
    assert (table["passed"], table["seconds"]) == (False, 1.5)
