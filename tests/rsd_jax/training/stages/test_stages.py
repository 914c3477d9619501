"""The four stages, as preflight's miniature run has trained them."""

import dataclasses
import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from launch.config_flags import load_config
from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.instruction import encode_instruction
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.checkpoints import MissingCheckpointError
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.registry import to_dataclass
from rsd_jax.rfsq import RfsqTokenizer, dequantize
from rsd_jax.stored_models import load_main_head, load_policy, load_tokenizer
from rsd_jax.training import feature_rows
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.demonstrations import Split, load_split
from rsd_jax.training.feature_rows import stored_head_rows
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning
from rsd_jax.training.policy_rows import stored_policy_rows
from rsd_jax.training.stages import TRAINED_STAGES, build_stage, settings_of
from rsd_jax.training.stages import policy as policy_stage
from rsd_jax.training.stages.head_rows import DecodedError, load_head_data
from rsd_jax.training.stages.main_head import decode_greedily, name_digits
from rsd_jax.training.stages.rfsq import action_data, clipped_fraction, token_errors
from rsd_jax.training.train_loop import train


def settings(stage: str):
    _, config = load_config(f"configs/{stage}.py:tiny")
    return to_dataclass(settings_of(stage), config.model)


@pytest.fixture(scope="module")
def metrics(preflight_run):
    return {stage: json.loads((preflight_run / stage / "metrics.json").read_text()) for stage in TRAINED_STAGES}


def test_tokenizer_reports_errors_of_tokens_alone_by_layer(metrics):
    assert len(metrics["rfsq"]["heldout_token_mse_by_layer"]) == 4
    assert metrics["rfsq"]["heldout_executed_token_mse"] > 0
    assert 0 <= metrics["rfsq"]["heldout_clipped_fraction"] < 0.5
    assert metrics["rfsq"]["largest_forward_minus_token"] == 0


def test_a_variant_without_parameters_trains_in_one_step_and_loads(preflight_run, tmp_path):
    _, config = load_config("configs/rfsq.py:staggered")
    config.model.heldout_every = 2
    stage = build_stage("rfsq", to_dataclass(settings_of("rfsq"), config.model), preflight_run)
    train(stage, to_dataclass(TrainingConfig, config.training), tmp_path / "rfsq", make_mesh(MeshConfig()))
    tokenizer, metrics = (
        RfsqTokenizer.load(tmp_path / "rfsq"),
        json.loads((tmp_path / "rfsq/metrics.json").read_text()),
    )
    assert tokenizer.token_hash == metrics["tokenizer_hash"]
    assert metrics["largest_forward_minus_token"] == 0
    errors = metrics["heldout_token_mse_by_layer"]
    assert errors == sorted(errors, reverse=True)
    # Held-out actions can leave the range of so few episodes: tokens lose what the clip loses, next to nothing else.
    heldout = action_data(load_split(preflight_run, 2), 8, config.model.smallest_half_range).heldout
    normalizer = tokenizer.normalizer
    is_inside = np.abs((heldout - normalizer.center) / normalizer.half_range).max(axis=(1, 2)) <= 1
    assert 0.5 < is_inside.mean() < 1
    assert token_errors(tokenizer, heldout[is_inside])[-1] < 1e-4
    clipped = normalizer.clip_loss(heldout.reshape(-1, 7))[:6].mean()
    assert abs(errors[-1] - clipped) < 1e-4


def test_the_range_is_that_of_the_training_or_the_declared_one_and_what_lies_beyond_is_counted():
    rows = np.linspace(-0.5, 0.5, 70, dtype=np.float32).reshape(10, 7)

    class Steps(SimpleNamespace):
        def __len__(self):
            return len(self.labels)

    demos = [Steps(labels=scale * rows, actions=scale * rows) for scale in (1.0, 1.5)]
    split = Split([demos[0]], [demos[1]])
    own, declared = (action_data(split, 2, 0.05, action_range) for action_range in ("training", "declared"))
    np.testing.assert_allclose(own.normalizer.half_range[:-1], 0.5, rtol=0.2)
    np.testing.assert_array_equal(declared.normalizer.half_range, np.ones(7))
    np.testing.assert_array_equal(declared.normalizer.center, np.zeros(7))
    assert 0.2 < clipped_fraction(own.normalizer, own.heldout) < 0.5
    assert clipped_fraction(own.normalizer, own.train) == clipped_fraction(declared.normalizer, own.heldout) == 0
    with pytest.raises(ValueError, match=r"model.action_range is 'mine'; it must be one of training, declared"):
        dataclasses.replace(settings("rfsq"), action_range="mine")


def test_sizes_that_do_not_fit_are_named():
    given = settings("rfsq")
    with pytest.raises(ValueError, match=r"makes 16 latents, but model.latent_dim is 8"):
        dataclasses.replace(given, latent_dim=8).objective()


def test_stored_tokenizer_is_the_one_that_was_trained(preflight_run, metrics):
    assert load_tokenizer(preflight_run).token_hash == metrics["rfsq"]["tokenizer_hash"]


def test_the_policy_is_judged_as_it_is_then_without_images_then_with_words_it_never_saw():
    text = "pick up the black bowl on the stove and place it on the plate"
    own = encode_instruction(text)
    rows = {
        "images": np.full((4, 2, 8, 8, 3), 9, np.uint8),
        "proprio": np.zeros((4, 8), np.float32),
        "instruction_ids": np.tile(own, (4, 1)),
        "actions": np.zeros((4, 2, 7), np.float32),
        "mask": np.ones((4, 2), bool),
        "foreseeable": np.ones((4, 2), bool),
    }
    rows["actions"][0, 1] = 0.8  # answers what nobody could foresee
    rows["foreseeable"][0, 1] = False
    words = InstructionTable.of([text], 4, "heldout", encode_instruction)
    asked = []

    def predict(params, normalizer, inputs):
        asked.append(inputs)
        error = 0.1 * (not inputs.images.any()) + 0.2 * (not np.array_equal(inputs.instruction_ids[0], own))
        return SimpleNamespace(actions=np.full((len(inputs.images), 2, 7), error, np.float32))

    objective = BehaviourCloning(PolicyNetwork(CompactBackbone(chunk_length=2), RegressionConfig()))
    found = policy_stage.evaluate_policy(objective, predict, None, words, rows, SimpleNamespace(params=None))
    names = ("heldout_l1", "heldout_l1_zeroed_images", "heldout_l1_reworded", "heldout_l1_all_labels")
    assert [found[name] for name in names] == pytest.approx([0.0, 0.1, 0.2, 0.8 / 8])
    known = {ids.tobytes() for ids in np.asarray(words.reword(jax.random.key(1), jnp.tile(own, (64, 1)), share=1.0))}
    assert {ids.tobytes() for ids in asked[2].instruction_ids} <= known


@pytest.mark.parametrize("labels", ["foreseeable", "all"])
def test_the_policy_imitates_what_can_be_foreseen_unless_all_is_asked(labels, preflight_run, monkeypatch):
    rows = stored_policy_rows(preflight_run, 2, 8, encode_instruction)
    foreseeable = np.ones_like(rows.train["mask"])
    foreseeable[::3, 2:] = False
    monkeypatch.setattr(
        policy_stage, "policy_rows_of", lambda *_: rows._replace(train=rows.train | {"foreseeable": foreseeable})
    )
    stage = dataclasses.replace(settings("policy"), labels=labels).build(preflight_run)
    expected = rows.train["mask"] & foreseeable if labels == "foreseeable" else rows.train["mask"]
    assert not foreseeable[rows.train["mask"]].all()
    np.testing.assert_array_equal(stage.rows["mask"], expected)
    assert "foreseeable" not in stage.rows
    assert stage.metadata["labels"] == labels


def test_labels_that_the_policy_cannot_imitate_are_refused():
    with pytest.raises(ValueError, match=r"model\.labels is .teacher.; it must be one of foreseeable, all"):
        dataclasses.replace(settings("policy"), labels="teacher")


def test_heads_report_accuracy_and_majority_for_both_kinds_of_labels(metrics):
    for stage, layers in (("draft", 3), ("main_head", 4)):
        for labels in ("", "_teacher", "_demonstrations"):
            for kind in ("accuracy", "majority"):
                values = metrics[stage][f"{kind}_by_layer{labels}"]
                assert len(values) == layers
                assert all(0 <= value <= 1 for value in values)
    assert [len(row) for row in metrics["draft"]["accuracy_by_start_teacher"]] == [3, 3, 2, 1]


def test_the_main_head_reports_what_it_names_by_itself(metrics):
    found = metrics["main_head"]
    for labels in ("teacher", "demonstrations"):
        for kind in ("free_running", "one_pass"):
            assert len(found[f"{kind}_accuracy_by_layer_{labels}"]) == 4
            assert set(found[f"{kind}_decoded_{labels}"]) == {"l1", "gripper_accuracy"}
        # No digit is coarser than the first layer's: telling the head the true ones changes nothing there.
        assert found[f"free_running_accuracy_by_layer_{labels}"][0] == found[f"accuracy_by_layer_{labels}"][0]


def test_greedy_decoding_is_teacher_forcing_on_its_own_digits(preflight_run):
    data = load_head_data(preflight_run)
    main = load_main_head(preflight_run, data.frozen.tokenizer.token_hash, data.policy)
    table, features = data.frozen.tokenizer.table, data.heldout.features[:8]
    decoded = decode_greedily(main.model, main.params, table, features)
    again = name_digits(main.model, main.params, table, features, decoded.free_running)
    np.testing.assert_array_equal(decoded.free_running, again)

    @jax.jit
    def errors(params, tokens):
        latents = main.model.apply({"params": params}, features, method="contextualise").latents
        return [jnp.abs(dequantize(table, tokens, depth) - latents).max() for depth in (1, table.num_layers)]

    of_one_layer, of_all = errors(main.params, decoded.one_pass)
    assert of_all < of_one_layer


def test_decoded_error_is_zero_for_tokens_that_decode_to_the_labels_actions(preflight_run):
    data = load_head_data(preflight_run)
    tokens = data.tokens["demonstrations"][1]
    decoded = np.asarray(data.frozen.tokenizer.detokenize(tokens))
    data = data._replace(heldout=data.heldout._replace(actions=decoded))
    assert data.decoded_error(tokens, "demonstrations") == DecodedError(l1=0.0, gripper_accuracy=1.0)
    others = data.decoded_error(tokens[::-1], "demonstrations")
    assert others.l1 > 0.01
    assert others.gripper_accuracy < 1


def test_features_are_computed_once_for_a_policy(preflight_run, tmp_path, monkeypatch):
    (tmp_path / "demos").symlink_to(preflight_run / "demos")
    policy = load_policy(preflight_run)
    first = stored_head_rows(tmp_path, policy)
    monkeypatch.setattr(feature_rows, "_feature_function", None)
    again = stored_head_rows(tmp_path, policy)
    for rows, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(rows.features, same.features)
        np.testing.assert_array_equal(rows.actions, same.actions)
    with pytest.raises(TypeError):  # another policy's are computed anew
        stored_head_rows(tmp_path, dataclasses.replace(policy, params_hash="0" * 64))


def test_heads_learn_from_complete_chunks_of_other_episodes_than_they_are_judged_on(preflight_run):
    data = load_head_data(preflight_run)
    for labels in ("teacher", "demonstrations"):
        train, heldout = data.tokens[labels]
        assert len(train) == len(data.train.features)
        assert len(heldout) == len(data.heldout.features)
    shared = {row.tobytes() for row in data.train.features} & {row.tobytes() for row in data.heldout.features}
    assert not shared


def test_unknown_stage_is_refused(tmp_path):
    with pytest.raises(ValueError, match="stage 'head' does not exist; stages: rfsq, policy, draft, main_head"):
        build_stage("head", settings("policy"), tmp_path)


def test_settings_of_another_stage_are_refused(tmp_path):
    with pytest.raises(ValueError, match="settings of stage 'draft' must be DraftSettings, got PolicySettings"):
        build_stage("draft", settings("policy"), tmp_path)


def test_a_stage_without_its_input_names_the_stage_that_makes_it(tmp_path):
    with pytest.raises(MissingCheckpointError, match=r"launch.train --config configs/rfsq.py"):
        build_stage("policy", settings("policy"), tmp_path)


def test_policy_and_tokenizer_must_agree_on_the_chunk_length(preflight_run):
    given = settings("policy")
    other = dataclasses.replace(given, backbone={**given.backbone, "chunk_length": 4})
    with pytest.raises(ValueError, match=r"chunk_length is 4, but the tokenizer .* takes chunks of 8 steps"):
        build_stage("policy", other, preflight_run)
