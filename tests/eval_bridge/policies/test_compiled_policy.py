"""The compiled policy, on the miniature run that preflight trains."""

import dataclasses
import shutil
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.policies import compiled_policy as policy_module
from eval_bridge.policies import stage_timing
from eval_bridge.policies.compiled_policy import CompiledPolicy, load_models
from eval_bridge.policies.decoder_models import Models
from eval_bridge.policies.decoders import DECODERS, DecodedChunks, L1Regression, TwoStepRegression
from eval_bridge.policies.interface import FUSED_STAGE, PASS_STAGES, PIPELINE_STAGES, SKIPPED_STAGE, PolicyRequest
from eval_bridge.policies.observation_needs import select_observation
from eval_bridge.policies.policy_episode import PolicyEpisode
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.policies.stage_timing import CompiledParts
from rsd_jax.checkpoints import MissingCheckpointError, TokenizerMismatchError
from rsd_jax.decoding import AcceptanceCounts
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.heads.two_step_head import TwoStepConfig
from rsd_jax.stored_models.policy import PolicyMismatchError


@pytest.fixture(scope="module")
def policies(preflight_run: Path) -> dict[str, CompiledPolicy]:
    names = set(DECODERS.kinds) - {"certified", "two_step_regression"}
    # The miniature draft policy remembers a look for no longer.
    settings = {"cascade": "longest_run=2"}
    return {name: CompiledPolicy.load(preflight_run, name, settings=settings.get(name, "")) for name in names}


@pytest.fixture(scope="module")
def without_a_draft(preflight_run: Path, tmp_path_factory) -> CompiledPolicy:
    """Autoregressive decoding in a run that has no draft model."""
    run_dir = tmp_path_factory.mktemp("without_a_draft")
    for stage in ("rfsq", "policy", "main_head"):
        shutil.copytree(preflight_run / stage, run_dir / stage)
    return CompiledPolicy.load(run_dir, decoder="autoregressive")


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
        counts = {"accepted": output.accepted, "proposed": output.proposed, "first_run": output.first_run}
        if decoder == "l1_regression":
            assert {name: values.size for name, values in counts.items()} == dict.fromkeys(counts, 0)
        else:
            assert all(values.size for values in counts.values())
            assert (output.accepted <= output.proposed).all()
            assert output.first_run.sum() == decoder.startswith("speculative")


@pytest.mark.parametrize("decoder", ["l1_regression", "speculative_sampling"])  # greedy: test_same_results
def test_a_row_depends_on_itself_alone(preflight_run, observations, decoder):
    policy = CompiledPolicy.load(preflight_run, decoder=decoder, batch_size=4)
    first, second, third = (request(policy, observation) for observation in observations)
    alone = policy.act_batch({1: first})
    assert set(alone) == {1}
    for others in ({0: second, 3: third}, {2: third}, {0: first, 2: first, 3: second}):
        together = policy.act_batch({1: first, **others})
        assert set(together) == {1, *others}
        assert_same(together[1].output, alone[1].output)


def request(policy, observation, **more):
    return PolicyRequest(select_observation(observation, policy.observation_needs), episode_key(0, 0, 0), **more)


def assert_same(output, expected):
    for name in ("actions", "accepted", "proposed", "first_run", "rounds"):
        np.testing.assert_array_equal(getattr(output, name), getattr(expected, name), err_msg=name)


def test_rows_that_do_not_exist_are_refused(policies, observations):
    policy = policies["l1_regression"]
    for rows in ({}, {1: request(policy, observations[0])}):
        with pytest.raises(ValueError, match="must be at least one of 0 to 0"):
            policy.act_batch(rows)
    with pytest.raises(ValueError, match="policy_batch=0"):
        CompiledPolicy(L1Regression(), None, 0)


def test_observations_of_other_shapes_are_refused(policies, observations):
    policy = policies["l1_regression"]
    seen = select_observation(observations[0], policy.observation_needs)
    small = tuple(frame[::2, ::2] for frame in seen.frames)
    for frames in (small, seen.frames[:1]):
        with pytest.raises(ValueError, match=r"shapes .*this policy needs .*256, 256.*select_observation"):
            policy.act_batch({0: PolicyRequest(seen._replace(frames=frames), episode_key(0, 0, 0))})


@dataclasses.dataclass(frozen=True)
class Counting:
    """A decoder whose actions tell the row's key and how often its episode has asked before."""

    name = "counting"
    stages = ("policy",)
    optional_stages = ()

    def initial_state(self, models):
        return {"calls": np.int32(0)}

    def decode(self, models, inputs, given, state, keys, asked):
        drawn = jax.vmap(lambda key: jax.random.uniform(key, (8, 7)))(keys)
        actions = state["calls"][:, None, None] + drawn
        nothing = jnp.zeros((len(keys), 0, 0), jnp.int32)
        counts = AcceptanceCounts(nothing, nothing, nothing.reshape(len(keys), 0))
        return DecodedChunks(actions, state["calls"], counts, state["calls"] >= 0), {"calls": state["calls"] + 1}


def test_state_and_keys_belong_to_the_episode_whatever_row_answers(preflight_run, observations):
    policy = CompiledPolicy(Counting(), load_models(preflight_run, L1Regression()), batch_size=3)
    seen = select_observation(observations[0], policy.observation_needs)
    keys = [episode_key(7, 0, episode) for episode in range(2)]

    def play(rows, others):
        """Three calls of episode 0 in these rows, among calls of episode 1."""
        state, other, actions = None, None, []
        for call, row in enumerate(rows):
            requests = {row: PolicyRequest(seen, keys[0], call, state)}
            if others:
                requests[(row + 1) % 3] = PolicyRequest(seen, keys[1], 5 * call, other)
            answers = policy.act_batch(requests)
            state = answers[row].state
            other = answers[(row + 1) % 3].state if others else None
            actions.append(answers[row].output.actions)
        return np.stack(actions)

    alone = play([0, 0, 0], others=False)
    np.testing.assert_array_equal(alone, play([0, 2, 1], others=True))
    assert np.floor(alone).astype(int).tolist() == np.broadcast_to([[[0]], [[1]], [[2]]], alone.shape).tolist()
    assert len(np.unique(alone - np.floor(alone))) > 2  # every call draws anew
    episode = PolicyEpisode(policy, keys[0])
    np.testing.assert_array_equal(np.stack([episode.act(observations[0]).actions for _ in range(3)]), alone)
    again = PolicyEpisode(policy, keys[0])  # a new episode begins without a state
    np.testing.assert_array_equal(again.act(observations[0]).actions, alone[0])


WITHOUT_A_DRAFT = {FUSED_STAGE, *PIPELINE_STAGES} - {"draft"}


def test_stages_are_timed_by_name_and_the_passes_of_the_cost_model_too(policies, observations):
    calls = policies["speculative_greedy"].stage_functions(observations[0])
    assert set(calls) == {*WITHOUT_A_DRAFT, *PASS_STAGES}
    for call in calls.values():
        jax.block_until_ready(call())


@pytest.fixture
def traced_parts(monkeypatch):
    """Parts of policies are traced, not compiled, and give zeros: for tests of which there are."""

    def traced(networks, arrays, function):
        def call(*given):
            shapes = jax.eval_shape(lambda arrays, *given: function(Models(networks, arrays), *given), arrays, *given)
            return jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)

        return call

    monkeypatch.setattr(stage_timing, "compiled", traced)


def test_stages_depend_on_what_there_is_to_time(policies, without_a_draft, observations, traced_parts):
    policies = {**policies, "none": without_a_draft}
    for decoder, stages in (
        ("l1_regression", WITHOUT_A_DRAFT - {"detokenize"}),
        ("autoregressive", {*WITHOUT_A_DRAFT, *PASS_STAGES}),
        ("none", WITHOUT_A_DRAFT),
    ):
        assert set(policies[decoder].stage_functions(observations[0])) == stages, decoder


def test_the_stages_of_a_cascade_are_the_draft_policy_the_main_backbone_and_what_a_look_adds(policies, observations):
    cascade = policies["cascade"]
    calls = cascade.stage_functions(observations[0])
    main = cascade._models.networks.policy.backbone
    assert set(calls) == {FUSED_STAGE, SKIPPED_STAGE, *PIPELINE_STAGES}
    assert calls["draft"]().tokens.shape == (1, 1, 8, 16, 4)
    assert calls["backbone"]().shape == (1, main.chunks, 8, main.width)
    parts = CompiledParts(cascade._decoder, *cascade._models)
    features = jnp.zeros((1, main.chunks, 8, main.width))
    packed = parts.decoder(features)
    assert (packed.dtype, packed.shape) == (calls["decoder"]().dtype, calls["decoder"]().shape)
    found = parts.decoder.read(packed)
    assert found.tokens.shape == (1, main.chunks, 8, 16, 4)
    np.testing.assert_array_equal(found.features, np.asarray(features).reshape(1, -1, main.width))
    # The looking and the skipping call are one program, which tells by its rounds whether the main head was asked.
    looking, skipped = calls[FUSED_STAGE](), calls[SKIPPED_STAGE]()[0][0]
    assert looking.looked
    assert looking.rounds > 0
    assert skipped.rounds == 0


def test_a_stage_that_is_missing_is_named_with_its_command(preflight_run, tmp_path):
    for stage in ("rfsq", "policy", "main_head"):
        shutil.copytree(preflight_run / stage, tmp_path / stage)
    command = f"python -m launch.train --config configs/draft.py --config.run_dir={tmp_path}"
    with pytest.raises(MissingCheckpointError, match=command):
        CompiledPolicy.load(tmp_path)


def test_autoregressive_decoding_needs_no_draft_model(without_a_draft, policies, observations):
    expected = policies["autoregressive"].act(observations[1])
    output = without_a_draft.act(observations[1])
    np.testing.assert_array_equal(output.actions, expected.actions)
    assert output.rounds == expected.rounds == 4


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


def test_certified_decoding_refuses_a_tokenizer_that_nothing_can_be_certified_of(preflight_run):
    with pytest.raises(ValueError, match="MlpAutoencoder, whose every latent moves the gripper"):
        CompiledPolicy.load(preflight_run, decoder="certified")


def test_unknown_decoder_is_refused(preflight_run):
    with pytest.raises(ValueError, match="decoder='beam' is not a decoder"):
        CompiledPolicy.load(preflight_run, decoder="beam")


@pytest.mark.parametrize(
    ("decoder", "head"), [(L1Regression(), TwoStepConfig(8)), (TwoStepRegression(), RegressionConfig())]
)
def test_a_regression_acts_by_its_own_kind_of_head(monkeypatch, decoder, head):
    policy = SimpleNamespace(network=SimpleNamespace(head=head), variables=None)
    monkeypatch.setattr(policy_module, "load_policy", lambda run_dir: policy)
    with pytest.raises(ValueError, match=rf"decoder={decoder.name} .* the policy of run has a {type(head).__name__}"):
        load_models("run", decoder)
