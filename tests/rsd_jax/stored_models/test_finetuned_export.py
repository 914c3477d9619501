"""A fine-tuned OpenVLA as a policy of its own, and as a published folder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax.traverse_util import flatten_dict

from rsd_jax.backbones.openvla.adapted_backbone import ADAPTERS, BASE, with_adapters
from rsd_jax.backbones.openvla.low_rank import LowRankConfig, merge
from rsd_jax.checkpoints import CheckpointError, CheckpointMetadata, StageCheckpoints, load_stage
from rsd_jax.policy_network import BACKBONE, HEAD
from rsd_jax.stored_models.openvla.conversion import write_checkpoint
from rsd_jax.stored_models.openvla.finetuned_export import FINETUNE, export_finetuned
from rsd_jax.stored_models.openvla.finetuned_facts import FinetunedFacts
from rsd_jax.stored_models.openvla.published_folder import open_published
from rsd_jax.stored_models.openvla.publishing import publish
from rsd_jax.stored_models.policy_facts import PolicyFacts
from tests.rsd_jax.stored_models.openvla_files import write_published
from tests.rsd_jax.training.openvla_runs import SMALL

LOW_RANK = LowRankConfig(rank=2, alpha=1.0, parts=("language_model", "siglip"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A converted policy in bfloat16, as if adapters, state projector and head had learnt something; and that."""
    published, run_dir = tmp_path_factory.mktemp("published"), tmp_path_factory.mktemp("run")
    tensors = write_published(published, SMALL)
    write_checkpoint(open_published(published), run_dir, dtype="bfloat16")
    policy = load_stage(run_dir, "policy")
    facts = PolicyFacts.from_json(policy.metadata.facts)
    shapes = nn.unbox(jax.eval_shape(with_adapters(facts.network.backbone, LOW_RANK).init, jax.random.key(0)))
    generator = np.random.default_rng(1)

    def learnt(leaf):
        return jnp.asarray(generator.standard_normal(leaf.shape, np.float32))

    projector = {"state_projector": jax.tree.map(learnt, shapes[BASE]["state_projector"])}
    params = {
        BACKBONE: {ADAPTERS: jax.tree.map(learnt, shapes[ADAPTERS]), BASE: projector},
        HEAD: jax.tree.map(learnt, policy.variables["params"][HEAD]),
    }
    about = FinetunedFacts(facts, str(run_dir), policy.params_hash, LOW_RANK, "float32", "float32")
    metadata = CheckpointMetadata(FINETUNE, step=3, config={}, facts=about.to_json())
    StageCheckpoints(run_dir / FINETUNE).save("best", {"variables": {"params": params, "model_state": {}}}, metadata)
    return run_dir, policy.variables["params"], params, tensors


def on_host(params):
    """Leaves by their paths, where comparing them compiles nothing."""
    return flatten_dict(jax.device_get(params))


def expected_of(before, trained):
    backbone = {**before[BACKBONE], **trained[BACKBONE][BASE]}
    return on_host({BACKBONE: merge(LOW_RANK, trained[BACKBONE][ADAPTERS], backbone), HEAD: trained[HEAD]})


def test_adapters_are_merged_and_everything_has_the_type_that_it_had(run, tmp_path):
    run_dir, before, trained, _ = run
    export_finetuned(run_dir, tmp_path)
    found, expected = on_host(load_stage(tmp_path, "policy").variables["params"]), expected_of(before, trained)
    assert found.keys() == expected.keys()
    for path, leaf in expected.items():
        assert found[path].dtype == jnp.bfloat16
        np.testing.assert_array_equal(found[path], leaf.astype(jnp.bfloat16), err_msg=".".join(path))
    changed = {path[1] for path, leaf in on_host(before).items() if (found[path] != leaf).any()}
    assert changed == {"language_model", "siglip", "state_projector", *trained[HEAD]}


def test_it_is_written_back_as_a_published_folder(run, tmp_path):
    """What no output depends on comes through, and the rest is read again as what was merged."""
    run_dir, _, _, tensors = run
    export_finetuned(run_dir, tmp_path / "run", dtype="float32")
    publish(tmp_path / "run", tmp_path / "published")
    folder = open_published(tmp_path / "published")
    assert folder.unused
    for name in folder.unused:
        np.testing.assert_array_equal(folder.tensors.read(name), tensors[name])
    write_checkpoint(folder, tmp_path / "again")
    again = on_host(load_stage(tmp_path / "again", "policy").variables["params"])
    first = on_host(load_stage(tmp_path / "run", "policy").variables["params"])
    assert all((leaf == again[path]).all() for path, leaf in first.items())


def test_another_policy_in_the_place_of_the_one_it_began_with_is_refused(run, tmp_path):
    run_dir, *_ = run
    checkpoints = StageCheckpoints(run_dir / FINETUNE)
    metadata = checkpoints.read_metadata("best")
    facts = FinetunedFacts.from_json(metadata.facts)
    other = StageCheckpoints(tmp_path / "run" / FINETUNE)
    about = {**facts.to_json(), "source_hash": "0" * 64}
    variables = {"variables": checkpoints.load_variables("best")}
    other.save("best", variables, CheckpointMetadata(FINETUNE, 3, {}, about))
    with pytest.raises(CheckpointError, match=r"is not the one that .* was fine-tuned from"):
        export_finetuned(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(CheckpointError, match=r"train the stage with\n.*configs/openvla_finetune.py"):
        export_finetuned(tmp_path, tmp_path / "out")
