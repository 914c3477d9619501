"""A cascade whose draft policy takes other frames and words than its main policy, a miniature OpenVLA."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.observations import Observation
from eval_bridge.policies.cascade import Cascade
from eval_bridge.policies.compiled_policy import CompiledPolicy, LoadedModels
from eval_bridge.policies.decoder_models import ModelArrays, Networks
from eval_bridge.policies.decoders import FixedPoint
from eval_bridge.policies.interface import PolicyRequest
from eval_bridge.policies.observation_needs import select_observation
from eval_bridge.policies.random_streams import episode_key
from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.backbones.cameras import KeypointCamera
from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.heads.main_head import MainHead, MainHeadConfig, draw_main_head
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.rfsq import RfsqTokenizer, make_table
from rsd_jax.rfsq.autoencoders import RepetitionFrame
from rsd_jax.stored_models import load_policy
from rsd_jax.stored_models.policy import policy_variables
from rsd_jax.training.policy_rows import policy_rows_of
from tests.rsd_jax.demos.demo_examples import example_demo
from tests.rsd_jax.random_params import alive, initialised
from tests.rsd_jax.training.openvla_runs import small_run

SEEN = 3
"""Step of the first episode that is observed."""


class Always:
    """A rule that lets any draft act, for networks that are not trained."""

    def accepts(self, evidence):
        return jnp.ones(len(evidence.drafted), bool)


@pytest.fixture(scope="module")
def demo():
    """An episode of noise as cameras render it."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 9, 256, 256, 3), np.uint8)
    return replace(example_demo(0, steps=9), agentview=noise[0], wrist=noise[1])


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, demo):
    """A policy, and demonstrations of which the second episode is held out."""
    return small_run(tmp_path_factory.mktemp("run"), [demo, replace(demo, seed=1)])


@pytest.fixture(scope="module")
def models(run_dir):
    """Random models: of all the main policy alone is OpenVLA's."""
    main = load_policy(run_dir)
    camera = KeypointCamera(features=(4,), kernels=(5,), strides=(4,), keypoints=4)
    backbone = CompactBackbone(camera, image_size=32, width=16, depth=1, heads=2, mlp_features=16)
    draft = PolicyNetwork(backbone, RegressionConfig())
    drawn = alive(initialised(draft.init, 1), 2)
    sizes = {"num_layers": 3, "width": 8, "depth": 1, "column_features": 4}
    head = MainHead(MainHeadConfig(**sizes))
    step = 0.3 * 0.4 ** jnp.arange(3.0)[:, None] * jnp.ones((3, 16))
    table = make_table(0.01 * step, step, 7)
    tokenizer = RfsqTokenizer({}, table, ActionNormalizer(jnp.zeros(7), jnp.ones(7)), RepetitionFrame(), 8)
    return LoadedModels(
        Networks(main, main=head, draft_policy=replace(main, network=draft)),
        ModelArrays(
            main.variables,
            tokenizer,
            table.informative,
            main=alive(initialised(lambda key: draw_main_head(head, key, 8, main.backbone.width), 3), 4),
            draft_policy=policy_variables(drawn, main.variables),
        ),
    )


@pytest.fixture(scope="module")
def request_(demo, models):
    observation = Observation(demo.agentview[SEEN], demo.wrist[SEEN], demo.proprio[SEEN], demo.instruction)
    needs = models.networks.policy.observation_needs
    return PolicyRequest(select_observation(observation, needs), episode_key(0, 0, 0))


RUNS = []
"""An entry for each time that OpenVLA has computed."""


@pytest.fixture(scope="module")
def cascade(models):
    compute = OpenVlaBackbone.features

    def counted(self, *arguments):
        jax.debug.callback(lambda: RUNS.append(1))
        return compute(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cascade, "skip_rule", Always())
        patch.setattr(OpenVlaBackbone, "features", counted)
        yield CompiledPolicy(Cascade(rule="confidence", longest_run=1), models)


def test_one_observation_is_brought_to_both_as_their_training_saw_it(cascade, models, request_, run_dir):
    """To the last bit: OpenVLA takes frames as rendered, the draft policy the halved ones of its training's rows."""
    prepared = cascade.preprocess({0: request_})
    for seen, backbone, size in (
        (prepared, models.networks.policy.backbone, 256),
        (prepared.for_draft, models.networks.draft_policy.backbone, 128),
    ):
        rows = policy_rows_of(run_dir, backbone, 2).train
        assert seen.images.shape == (1, 2, size, size, 3)
        for name in ("images", "proprio", "instruction_ids"):
            np.testing.assert_array_equal(getattr(seen, name)[0], rows[name][SEEN])


def test_the_draft_policys_own_chunk_acts_and_openvla_is_asked_when_it_is_due(cascade, models, request_):
    answers, runs, state = [], [], None
    for call in range(3):
        answer = cascade.act_batch({0: request_._replace(call=call, state=state)})[0]
        answers.append(answer.output)
        jax.effects_barrier()
        runs.append(len(RUNS))
        state = answer.state
    assert [each.looked for each in answers] == [True, False, True]
    assert runs == [1, 1, 2]
    full = CompiledPolicy(FixedPoint(), models).act_batch({0: request_})[0].output
    for looked in (answers[0], answers[2]):
        np.testing.assert_array_equal(looked.actions, full.actions)
    given = cascade.preprocess({0: request_}).for_draft
    alone = PolicyInputs(*(np.asarray(array) for array in given[:3]))
    draft = models.networks.draft_policy

    @jax.jit
    def act(arrays, inputs):
        drafted = draft.actions(arrays.draft_policy, inputs)
        return arrays.tokenizer.detokenize(arrays.tokenizer.tokenize(drafted))

    np.testing.assert_allclose(answers[1].actions, act(models.arrays, alone)[0], atol=1e-6)
    assert np.abs(answers[1].actions - full.actions).max() > 0.1
