"""The compiled policy, on the miniature run that preflight trains."""

import dataclasses
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from eval_bridge.policies import compiled_policy as policy_module
from eval_bridge.policies.compiled_policy import CompiledPolicy, policy_inputs
from eval_bridge.policies.decoders import DECODER_STAGES
from eval_bridge.policies.interface import FUSED_STAGE, PASS_STAGES, PIPELINE_STAGES
from eval_bridge.policies.observation_needs import reduce_observation
from eval_bridge.simulators.point_mass import PointMassSimulator
from rsd_jax.checkpoints import MissingCheckpointError, TokenizerMismatchError
from rsd_jax.demos.frames import to_stored_size
from rsd_jax.stored_models.policy import PolicyMismatchError


@pytest.fixture(scope="module")
def policies(preflight_run: Path) -> dict[str, CompiledPolicy]:
    return {decoder: CompiledPolicy.load(preflight_run, decoder=decoder) for decoder in DECODER_STAGES}


@pytest.fixture(scope="module")
def observations():
    simulator = PointMassSimulator()
    seen = []
    for seed in range(3):
        simulator.begin(simulator.draw_start(seed))
        seen.append(simulator.observe())
    return seen


def test_speculative_decoding_acts_exactly_as_autoregressive_decoding(policies, observations):
    for observation in observations:
        speculative, exact = (policies[name].act(observation) for name in ("speculative_greedy", "autoregressive"))
        np.testing.assert_array_equal(speculative.actions, exact.actions)
        assert 1 <= speculative.rounds <= exact.rounds == 4
        assert speculative.proposed.sum() > 0
        assert exact.proposed.sum() == 0
        assert exact.proposed.shape == speculative.proposed.shape == (4, 16)
        assert exact.first_run.shape == speculative.first_run.shape


def test_every_decoder_gives_executable_chunks(policies, observations):
    for decoder, policy in policies.items():
        output = policy.act(observations[0])
        assert output.actions.shape == (8, 7), decoder
        assert set(np.unique(output.actions[:, -1])) <= {-1.0, 1.0}
        assert (output.accepted <= output.proposed).all()
        assert output.first_run.sum() == (decoder == "speculative_greedy")
        assert output.seconds > 0


def test_policy_sees_frames_as_they_are_stored(observations):
    inputs = policy_inputs([reduce_observation(observations[0])])
    np.testing.assert_array_equal(inputs.images[0, 1], to_stored_size(observations[0].wrist))
    assert inputs.images.shape == (1, 2, 128, 128, 3)


@pytest.mark.parametrize("decoder", sorted(DECODER_STAGES))
def test_a_row_depends_on_itself_alone(preflight_run, observations, decoder):
    policy = CompiledPolicy.load(preflight_run, decoder=decoder, batch_size=4)
    first, second, third = map(reduce_observation, observations)
    alone = policy.act_batch({1: first})
    assert set(alone) == {1}
    for others in ({0: second, 3: third}, {2: third}, {0: first, 2: first, 3: second}):
        together = policy.act_batch({1: first, **others})
        assert set(together) == {1, *others}
        np.testing.assert_array_equal(together[1].actions, alone[1].actions)
        for name in ("accepted", "proposed", "first_run"):
            np.testing.assert_array_equal(getattr(together[1], name), getattr(alone[1], name))
        assert together[1].rounds == alone[1].rounds


def test_rows_that_do_not_exist_are_refused(policies, observations):
    for rows in ({}, {1: reduce_observation(observations[0])}):
        with pytest.raises(ValueError, match="must be at least one of 0 to 0"):
            policies["l1_regression"].act_batch(rows)
    with pytest.raises(ValueError, match="policy_batch=0"):
        CompiledPolicy("l1_regression", None, 0)


def test_stages_are_timed_by_name_and_the_passes_of_the_cost_model_too(policies, observations):
    names = {decoder: set(policy.stage_functions(observations[0])) for decoder, policy in policies.items()}
    assert names["l1_regression"] == {FUSED_STAGE, *PIPELINE_STAGES} - {"detokenize"}
    assert names["autoregressive"] == names["speculative_greedy"] == {FUSED_STAGE, *PIPELINE_STAGES, *PASS_STAGES}
    for call in policies["speculative_greedy"].stage_functions(observations[0]).values():
        jax.block_until_ready(call())


def test_a_stage_that_is_missing_is_named_with_its_command(preflight_run, tmp_path):
    for stage in ("rfsq", "policy", "main_head"):
        shutil.copytree(preflight_run / stage, tmp_path / stage)
    command = f"python -m launch.train --config configs/draft.py --config.run_dir={tmp_path}"
    with pytest.raises(MissingCheckpointError, match=command):
        CompiledPolicy.load(tmp_path)


def test_heads_refuse_a_tokenizer_they_were_not_trained_with(monkeypatch, preflight_run):
    tokenizer = policy_module.load_tokenizer(preflight_run)
    other = tokenizer.replace(table=tokenizer.table.replace(offset=tokenizer.table.offset + 0.25))
    monkeypatch.setattr(policy_module, "load_tokenizer", lambda run_dir: other)
    with pytest.raises(TokenizerMismatchError, match=other.token_hash):
        CompiledPolicy.load(preflight_run)


def test_heads_refuse_features_of_another_policy(monkeypatch, preflight_run):
    other = dataclasses.replace(policy_module.load_policy(preflight_run), params_hash="0" * 64)
    monkeypatch.setattr(policy_module, "load_policy", lambda run_dir: other)
    with pytest.raises(PolicyMismatchError, match="trained on the features of policy"):
        CompiledPolicy.load(preflight_run)


def test_unknown_decoder_is_refused(preflight_run):
    with pytest.raises(ValueError, match="decoder='beam' is not a decoder"):
        CompiledPolicy.load(preflight_run, decoder="beam")
