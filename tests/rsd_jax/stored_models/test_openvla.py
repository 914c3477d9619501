"""Conversion of published folders; tests/parity/test_openvla.py compares what comes out with PyTorch."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from safetensors.numpy import load_file, save_file

from rsd_jax.backbones.openvla.configuration import TINY
from rsd_jax.checkpoints.params_hash import hash_params
from rsd_jax.checkpoints.stage_checkpoints import load_stage
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.heads.action_tokens_head import ActionTokensConfig
from rsd_jax.stored_models import load_policy
from rsd_jax.stored_models.openvla.conversion import read_array, write_checkpoint
from rsd_jax.stored_models.openvla.errors import PublishedFolderError
from rsd_jax.stored_models.openvla.lora_adapter import MergedAdapter
from rsd_jax.stored_models.openvla.published_folder import open_published
from rsd_jax.stored_models.openvla.publishing import publish
from rsd_jax.stored_models.openvla.tensor_source import SafetensorsFolder, TorchFile
from rsd_jax.stored_models.torch_file_writing import write_torch_file
from tests.rsd_jax.stored_models.openvla_files import (
    DATASET,
    of_the_model,
    statistics,
    write_published,
    write_small_files,
)

BLOCK = "language_model.model.layers.0"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder in bfloat16, as they are published, and its tensors."""
    folder = tmp_path_factory.mktemp("published")
    return folder, write_published(folder, TINY, ml_dtypes.bfloat16)


@pytest.fixture(scope="module")
def run_dir(published, tmp_path_factory):
    """Converted onto a mesh of what devices there are."""
    out = tmp_path_factory.mktemp("run")
    seen = []
    opened, mesh = open_published(published[0]), make_mesh(MeshConfig())
    write_checkpoint(opened, out, "published", mesh=mesh, on_bytes=seen.append)
    assert sum(seen) == sum(tensor.nbytes for tensor in published[1].values())
    return out


@pytest.fixture
def edited(published, tmp_path):
    """Writes a folder whose model's tensors are those of `published` after `edit`."""

    def edit(**changes):
        tensors = of_the_model(published[1])
        for name, tensor in changes.items():
            tensors.pop(name, None)
            if tensor is not None:
                tensors[name] = tensor
        for file in published[0].iterdir():
            if file.suffix != ".safetensors":
                (tmp_path / file.name).write_bytes(file.read_bytes())
        save_file(tensors, tmp_path / "model.safetensors")
        return tmp_path

    return edit


def test_queries_keys_and_values_are_one_array_and_so_are_gate_and_up(published):
    opened = open_published(published[0])
    tensors = {name: tensor.astype(np.float32) for name, tensor in published[1].items()}
    arrays = {array.path[1:]: read_array(opened, array).astype(np.float32) for array in opened.arrays}
    x = np.linspace(-1, 1, 64, dtype=np.float32)
    qkv = np.einsum("f,fche->che", x, arrays["language_model", "block_0", "qkv", "kernel"])
    for index, name in enumerate("qkv"):
        expected = tensors[f"{BLOCK}.self_attn.{name}_proj.weight"] @ x
        np.testing.assert_allclose(qkv[index].reshape(-1), expected, rtol=1e-4, atol=1e-4)
    gate_up = np.einsum("f,fcm->cm", x, arrays["language_model", "block_0", "gate_up", "kernel"])
    for index, name in enumerate(("gate", "up")):
        expected = tensors[f"{BLOCK}.mlp.{name}_proj.weight"] @ x
        np.testing.assert_allclose(gate_up[index], expected, rtol=1e-4, atol=1e-4)


def test_a_converted_policy_loads_on_a_mesh_with_its_files_and_ranges(published, run_dir):
    policy = load_policy(run_dir, make_mesh(MeshConfig()))
    expected = open_published(published[0]).network
    assert policy.network == replace(expected, backbone=policy.backbone)
    assert replace(policy.backbone, tokenizer_file="") == expected.backbone
    leaves = jax.tree.leaves(policy.variables.backbone)
    assert {leaf.dtype.name for leaf in leaves} == {"bfloat16"}
    assert policy.backbone.encode_instruction("pick up the black bowl")[:3].tolist() == [1, 300, 301]
    ranges = statistics()[DATASET]
    low, high = (np.asarray(ranges["action"][name][:6]) for name in ("q01", "q99"))
    ends = policy.variables.action.denormalize(jnp.asarray([[[-1.0] * 7, [1.0] * 7, [3.0] * 7]]))
    np.testing.assert_allclose(ends[0, :, :6], [low, high, low + 2 * (high - low)], atol=1e-6)  # not clipped
    low, high = (np.asarray(ranges["proprio"][name]) for name in ("q01", "q99"))
    normalized = policy.variables.proprio.normalize(jnp.asarray([low, high]))
    np.testing.assert_allclose(normalized, [[-1.0] * 8, [1.0] * 8], atol=1e-5)


def test_a_checkpoint_that_was_written_piecewise_has_the_hash_of_its_parameters(run_dir):
    stage = load_stage(run_dir, "policy")
    assert stage.saved_hash == hash_params(stage.variables["params"])
    assert stage.metadata.config == {"source": "published", "statistics_key": DATASET, "dtype": None}


def test_there_and_back_is_the_same_to_the_last_bit(published, run_dir, tmp_path):
    assert publish(run_dir, tmp_path / "back", shard_bytes=2**21) == len(published[1])
    files = sorted((tmp_path / "back").glob("model-*.safetensors"))
    assert len(files) > 2
    read = {name: tensor for file in files for name, tensor in load_file(file).items()}
    for kind in ("action_head", "proprio_projector"):
        source = TorchFile(tmp_path / "back" / f"{kind}--converted_checkpoint.pt", kind)
        read |= {name: source.read(name) for name in source.facts}
    assert read.keys() == published[1].keys()
    for name, tensor in published[1].items():
        assert read[name].dtype == tensor.dtype
        np.testing.assert_array_equal(read[name], tensor, err_msg=name)
    with pytest.raises(FileExistsError, match="exists; name another folder"):
        publish(run_dir, tmp_path / "back")


def test_everything_that_is_wrong_is_told_at_once_before_anything_is_written(edited):
    folder = edited(
        **{
            f"{BLOCK}.mlp.up_proj.weight": None,
            "vision_backbone.featurizer.blocks.0.ls1.scale_factor": None,
            "vision_backbone.featurizer.blocks.0.ls1.gamma": np.ones(32, np.float32),
            "vision_backbone.fused_featurizer.attn_pool.latent": np.ones((1, 2, 48), np.float32),
            "language_model.lm_head.weight": np.ones((32000, 64), np.float32),
        }
    )
    with pytest.raises(PublishedFolderError) as caught:
        open_published(folder)
    assert str(caught.value).splitlines()[1:] == [
        "  missing: vision_backbone.featurizer.blocks.0.ls1.scale_factor (32,)",
        f"  missing: {BLOCK}.mlp.up_proj.weight (112, 64)",
        "  unexpected: vision_backbone.featurizer.blocks.0.ls1.gamma (32,)",
        "  wrong shape: vision_backbone.fused_featurizer.attn_pool.latent has (1, 2, 48); expected (1, 1, 48)",
        "  wrong shape: language_model.lm_head.weight has (32000, 64); expected (32064, 64)",
    ]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "llava"}, "model_type='llava'; only 'openvla' can be read"),
        ({"vision_backbone_id": "siglip-vit-so400m"}, "only 'dinosiglip-vit-so-224px' can be read"),
        ({"text_config": {"num_key_value_heads": 8}}, r"num_key_value_heads=8; only 32 can be read"),
        ({"text_config": {"rope_scaling": {"type": "linear"}}}, "rope_scaling=.*; only None can be read"),
        ({"text_config": {"rope_parameters": {"rope_type": "linear", "factor": 2}}}, "only rope_type='default' can"),
        ({"text_config": {"head_dim": 64}}, "head_dim=64; only 128 can be read"),
        ({"text_config": {"num_attention_heads": 3}}, "sizes that cannot be: width is 4096"),
    ],
)
def test_another_models_configuration_is_refused(edited, config, message):
    folder = edited()
    write_small_files(folder, TINY, **config)
    with pytest.raises(PublishedFolderError, match=message):
        open_published(folder)


def test_the_epsilon_of_the_norms_is_the_published_one(edited):
    """transformers leaves its default out of a file, which is 1e-6 and not Llama-2's own 1e-5."""
    folder = edited()
    config = json.loads((folder / "config.json").read_text())
    del config["text_config"]["rms_norm_eps"]
    (folder / "config.json").write_text(json.dumps(config))
    assert open_published(folder).network.backbone.sizes.language.norm_epsilon == 1e-6
    config["text_config"]["rms_norm_eps"] = 1e-5
    (folder / "config.json").write_text(json.dumps(config))
    assert open_published(folder).network.backbone.sizes.language.norm_epsilon == 1e-5


def test_the_base_of_positions_is_read_where_transformers_5_writes_it(edited):
    folder = edited()
    config = json.loads((folder / "config.json").read_text())
    del config["text_config"]["rope_theta"]
    config["text_config"] |= {"rope_parameters": {"rope_theta": 500.0, "rope_type": "default"}, "head_dim": 16}
    (folder / "config.json").write_text(json.dumps(config))
    assert open_published(folder).network.backbone.sizes.language.rotary_base == 500.0


def test_without_an_action_head_its_actions_are_tokens(published, edited, tmp_path):
    """OpenVLA as it was before OFT: one image, no state, one action, causal."""
    folder = edited()
    for file in folder.glob("*.pt"):
        file.unlink()
    opened = open_published(folder)
    backbone = opened.network.backbone
    assert opened.network.head == ActionTokensConfig()
    assert (backbone.cameras, backbone.state_size, backbone.slots, backbone.is_causal) == (("agentview",), 0, 7, True)
    write_checkpoint(opened, tmp_path / "run", dtype="float32")
    policy = load_policy(tmp_path / "run")
    assert {leaf.dtype.name for leaf in jax.tree.leaves(policy.variables.backbone)} == {"float32"}
    assert "state_projector" not in policy.variables.backbone
    with pytest.raises(ValueError, match="no action head: its actions are tokens"):
        policy.teacher_actions(policy.variables, np.zeros((1, 1, 448), np.float32))


def test_the_dataset_must_be_named_where_there_are_several(edited):
    folder = edited()
    several = statistics() | {"libero_goal_no_noops": statistics()[DATASET]}
    (folder / "dataset_statistics.json").write_text(json.dumps(several))
    with pytest.raises(PublishedFolderError, match=f"key is ''; name one of the datasets: {DATASET}, libero_goal"):
        open_published(folder)
    assert open_published(folder, statistics_key="libero_goal_no_noops").ranges.key == "libero_goal_no_noops"


def put_shards(folder, *shards):
    """Files of weights, None for one that is missing, and an index that has of each all but what is called extra."""
    index = {}
    for number, tensors in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        index |= {name: file for name in tensors or {f"lost_{number}"} if name != "extra"}
        if tensors is not None:
            save_file(tensors, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


def test_all_files_and_names_that_do_not_fit_the_index_are_told_at_once(tmp_path):
    one = np.ones(1, np.float32)
    put_shards(tmp_path, None, {"a": one, "extra": one}, {"b": one}, None)
    (tmp_path / "model-00003-of-00004.safetensors").write_bytes(b"nothing")
    save_file({"a": one}, tmp_path / "model.safetensors")
    with pytest.raises(PublishedFolderError) as caught:
        SafetensorsFolder(tmp_path)
    missing, damaged, other_missing, stray, unnamed = caught.value.problems
    assert missing == "model-00001-of-00004.safetensors is missing"
    assert damaged.startswith("model-00003-of-00004.safetensors is damaged")
    assert other_missing == "model-00004-of-00004.safetensors is missing"
    assert stray == "unexpected: model.safetensors, which the index does not name; move one of them away"
    assert unnamed == "model-00002-of-00004.safetensors holds extra, which the index does not have there"


@pytest.mark.parametrize("weight_map", [{"a": 5}, {"a": "../model.safetensors"}, ["a"], None])
def test_an_index_that_names_no_files_of_its_folder_is_damaged(tmp_path, weight_map):
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(PublishedFolderError, match="is damaged: its weight_map does not name files by tensor"):
        SafetensorsFolder(tmp_path)


def test_parts_of_another_model_and_a_missing_head_are_not_passed_over(edited):
    folder = edited()
    write_torch_file(folder / "vision_backbone--1_checkpoint.pt", {"a": np.ones(1, np.float32)})
    with pytest.raises(PublishedFolderError, match=r"unexpected: vision_backbone--1_checkpoint\.pt; .*without FiLM"):
        open_published(folder)
    (folder / "vision_backbone--1_checkpoint.pt").unlink()
    (folder / "action_head--150000_checkpoint.pt").unlink()
    with pytest.raises(PublishedFolderError, match=r"proprio_projector--.* is there, and no action_head"):
        open_published(folder)
    assert open_published(folder, is_causal=False, chunk_length=8).network.head == ActionTokensConfig()


def test_types_that_are_not_computed_in_are_told(edited):
    ones = np.ones((64, 64))
    changes = {
        f"{BLOCK}.self_attn.{name}_proj.weight": ones.astype(dtype) for name, dtype in (("k", "i1"), ("v", "f4"))
    }
    with pytest.raises(PublishedFolderError) as caught:
        open_published(edited(**changes))
    kinds = ", ".join(f"{BLOCK}.self_attn.{name}_proj.weight" for name in "qkv")
    assert caught.value.problems == (
        f"wrong type: {BLOCK}.self_attn.k_proj.weight is int8; expected one of bfloat16, float16, float32",
        f"wrong type: {kinds} are bfloat16 and float32 and int8; expected one type of them all",
    )


def test_what_is_wrong_beside_the_weights_is_told_with_it(edited):
    folder = edited(**{"language_model.lm_head.weight": None})
    ranges = statistics()
    ranges[DATASET]["proprio"] = {name: values[:7] for name, values in ranges[DATASET]["proprio"].items()}
    (folder / "dataset_statistics.json").write_text(json.dumps(ranges))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(PublishedFolderError) as caught:
        open_published(folder)
    assert caught.value.problems == (
        "tokenizer.json is missing; save the tokenizer anew by transformers",
        f"dataset_statistics.json of '{DATASET}' has 7 dimensions of proprio; expected 8",
        "missing: language_model.lm_head.weight (32064, 64)",
    )


@pytest.mark.parametrize("content", ["[1, 2]", '{"a": 5}', "{"])
def test_statistics_that_are_none_are_told(edited, content):
    folder = edited()
    (folder / "dataset_statistics.json").write_text(content)
    with pytest.raises(PublishedFolderError, match=r"dataset_statistics\.json"):
        open_published(folder)


def test_damaged_files_of_an_adapter_and_of_a_head_are_told(edited, tmp_path_factory):
    folder, tuned = edited(), tmp_path_factory.mktemp("tuned")
    adapter(tuned / "lora_adapter", {}, a=np.ones(2))
    for file in [tuned / "lora_adapter" / "adapter_model.safetensors", *folder.glob("*.pt")]:
        (tuned if file.suffix == ".pt" else file.parent).joinpath(file.name).write_bytes(file.read_bytes()[:-20])
    write_small_files(tuned, TINY)
    with pytest.raises(PublishedFolderError) as caught:
        open_published(tuned, base=folder)
    damaged, head, projector = caught.value.problems
    assert "lora_adapter: adapter_model.safetensors is damaged" in damaged
    assert "action_head--150000_checkpoint.pt cannot be read" in head
    assert "proprio_projector--150000_checkpoint.pt cannot be read" in projector


def test_files_that_are_not_there_or_damaged_are_named(edited, tmp_path):
    folder = edited()
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(PublishedFolderError, match=r"model-00002-of-00002\.safetensors is missing"):
        SafetensorsFolder(folder)
    (folder / "model-00002-of-00002.safetensors").write_bytes(b"nothing")
    with pytest.raises(PublishedFolderError, match=r"model-00002-of-00002\.safetensors is damaged"):
        SafetensorsFolder(folder)
    save_file({"c": np.ones(1, np.float32)}, folder / "model-00002-of-00002.safetensors")
    with pytest.raises(PublishedFolderError, match=r"00002\.safetensors does not hold b, which the index names"):
        SafetensorsFolder(folder)
    with pytest.raises(FileNotFoundError, match="nowhere is no folder"):
        open_published(tmp_path / "nowhere")


def test_a_parallel_trainings_prefix_is_taken_off(tmp_path):
    write_torch_file(tmp_path / "head.pt", {"module.model.fc1.bias": np.ones(2, np.float32)})
    assert list(TorchFile(tmp_path / "head.pt", "action_head").facts) == ["action_head.model.fc1.bias"]
    write_torch_file(tmp_path / "twice.pt", {"module.a": np.ones(2, np.float32), "a": np.ones(2, np.float32)})
    with pytest.raises(PublishedFolderError, match="holds a tensor twice, with and without module"):
        TorchFile(tmp_path / "twice.pt", "action_head")


def adapter(folder, config, **weights):
    folder.mkdir(exist_ok=True)
    plain = {"peft_type": "LORA", "r": 2, "lora_alpha": 4}
    (folder / "adapter_config.json").write_text(json.dumps(plain | config))
    named = {f"base_model.model.{name}.weight": value.astype(np.float32) for name, value in weights.items()}
    save_file(named, folder / "adapter_model.safetensors")
    return folder


def test_an_adapter_is_added_once_and_scaled(tmp_path):
    save_file({"layer.weight": np.zeros((2, 3), np.float32)}, tmp_path / "model.safetensors")
    base = SafetensorsFolder(tmp_path)
    down, up = np.array([[1.0, 0, 0], [0, 1, 0]]), np.array([[1.0, 0], [0, 3]])
    weights = {"layer.lora_A": down, "layer.lora_B": up}
    merged = MergedAdapter(base, adapter(tmp_path / "plain", {}, **weights))
    np.testing.assert_array_equal(merged.read("layer.weight"), [[2, 0, 0], [0, 6, 0]])
    merged = MergedAdapter(base, adapter(tmp_path / "stable", {"use_rslora": True}, **weights))
    np.testing.assert_allclose(merged.read("layer.weight"), np.sqrt(2) * np.array([[2, 0, 0], [0, 6, 0]]), rtol=1e-6)


def test_an_adapter_that_cannot_be_merged_is_refused(tmp_path):
    save_file({"layer.weight": np.zeros((2, 3), np.float32)}, tmp_path / "model.safetensors")
    base = SafetensorsFolder(tmp_path)
    with pytest.raises(PublishedFolderError, match=r"use_dora=True; only False(.|\n)*modules_to_save=\['lm_head'\]"):
        MergedAdapter(base, adapter(tmp_path / "a", {"use_dora": True, "modules_to_save": ["lm_head"]}))
    wrong = {"layer.lora_A": np.ones((2, 4)), "layer.lora_B": np.ones((2, 2)), "other.lora_A": np.ones((2, 3))}
    with pytest.raises(PublishedFolderError) as caught:
        MergedAdapter(base, adapter(tmp_path / "b", {}, **wrong))
    assert "layer.weight has shape (2, 3); the adapter's (2, 2) x (2, 4) do not fit" in str(caught.value)
    assert "other has one of lora_A and lora_B without the other" in str(caught.value)


def test_a_run_with_a_policy_is_left_alone(published, run_dir):
    with pytest.raises(FileExistsError, match="has a policy; name another folder"):
        write_checkpoint(open_published(published[0]), run_dir)


def test_names_lead_to_every_parameter_and_back(published):
    opened = open_published(published[0])
    drawn = jax.eval_shape(opened.network.init, jax.random.key(0))
    assert {array.path for array in opened.arrays} == set(flatten_dict(drawn))
    names = [name for array in opened.arrays for name in array.names]
    assert len(names) == len(set(names))
    assert set(names) | set(opened.unused) == set(published[1])
