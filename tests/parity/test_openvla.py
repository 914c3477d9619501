"""OpenVLA-OFT here against PyTorch: the same random weights, through a folder as it is published."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tokenizers import Tokenizer

torch = pytest.importorskip("torch")

from safetensors.torch import save_file

from rsd_jax.backbones.openvla.action_tokens import autoregressive_tokens, normalized_actions, parallel_tokens
from rsd_jax.backbones.openvla.backbone import NetworkInputs
from rsd_jax.backbones.openvla.configuration import TINY
from rsd_jax.stored_models import load_policy
from rsd_jax.stored_models.openvla.conversion import write_checkpoint
from rsd_jax.stored_models.openvla.published_folder import open_published
from rsd_jax.stored_models.openvla.publishing import publish
from rsd_jax.stored_models.torch_file import read_torch_file
from tests.parity.reference_openvla import (
    CHUNK,
    SLOTS,
    ActionHead,
    OpenVla,
    ProprioProjector,
    as_dinov2,
    as_siglip,
    randomised,
)
from tests.rsd_jax.stored_models.openvla_files import DATASET, statistics, write_small_files

torch.set_num_threads(1)  # more would wait for each other, beside JAX's own

TOLERANCE = 1e-4
INSTRUCTIONS = ("Pick up the black bowl", "place it")
PROMPT_LENGTH = 24


@pytest.fixture(scope="module")
def reference():
    """The model, its action head and its projector of the robot's state."""
    width = TINY.language.width
    return randomised(OpenVla(TINY), 0), randomised(ActionHead(width), 1), randomised(ProprioProjector(width), 2)


@pytest.fixture(scope="module")
def published(reference, tmp_path_factory):
    """A folder as OFT's authors publish it: the head's file from a parallel training, the projector's not."""
    folder = tmp_path_factory.mktemp("published")
    model, head, projector = reference
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    names = sorted(tensors)
    files = {f"model-0000{part + 1}-of-00002.safetensors": names[part::2] for part in range(2)}
    for file, held in files.items():
        save_file({name: tensors[name] for name in held}, folder / file, {"format": "pt"})
    weight_map = {name: file for file, held in files.items() for name in held}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    wrapped = {f"module.{name}": tensor for name, tensor in head.state_dict().items()}
    torch.save(wrapped, folder / "action_head--150000_checkpoint.pt")
    torch.save(projector.state_dict(), folder / "proprio_projector--150000_checkpoint.pt")
    write_small_files(folder, TINY)
    return folder


@pytest.fixture(scope="module")
def run_dir(published, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    write_checkpoint(open_published(published, prompt_length=PROMPT_LENGTH), out)
    return out


@pytest.fixture(scope="module")
def policy(run_dir):
    return load_policy(run_dir)


def in_float32(backbone):
    return type(backbone).from_json(backbone.to_json() | {"compute_dtype": "float32"})


@pytest.fixture(scope="module")
def inputs(policy):
    """Two observations whose prompts differ in length: frames as the towers see them, normalised states, prompts."""
    generator = np.random.default_rng(0)
    side = TINY.image_size
    frames = generator.integers(0, 256, (2, 2, side, side, 3), np.uint8)
    state = generator.uniform(-1, 1, (2, 8)).astype(np.float32)
    prompts = np.stack([policy.backbone.encode_instruction(instruction) for instruction in INSTRUCTIONS])
    return NetworkInputs(frames, state, prompts)


def stages(network, params, inputs):
    """What leaves each part of the network."""

    def run(module):
        sequence = module.enter(*inputs)
        made = {"see": module.see(inputs.frames), "enter": sequence.tokens}
        for index in range(TINY.language.depth):
            sequence = module.run_blocks(sequence, index, index + 1)
            made[f"block_{index}"] = sequence.tokens
        made["slots"] = module.read(sequence)
        return made | {"lengths": sequence.lengths}

    return network.apply({"params": params}, method=run)


@pytest.fixture(scope="module")
def ours(policy, inputs):
    """All stages and the actions, from one compiled program."""
    backbone = in_float32(policy.backbone)

    def compute(variables, inputs):
        made = stages(backbone.network(), variables.backbone, inputs)
        features = made["slots"].reshape(2, CHUNK, -1)
        normalized = policy.teacher.apply({"params": variables.head}, features)
        return made | {"normalized": normalized, "actions": variables.action.denormalize(normalized)}

    return jax.tree.map(np.asarray, jax.jit(compute)(policy.variables, inputs))


def pixel_values(frames):
    """Pixels ``[1, 6 k, S, S]`` of one observation as OFT's image processor stacks them."""
    pixels = torch.tensor(frames).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return torch.cat([(pixels - mean) / std, (pixels - 0.5) / 0.5], dim=1).flatten(0, 1)[None]


def prompt_ids(inputs, row):
    ids = inputs.prompt_ids[row]
    return torch.tensor(ids[ids != 32000])[None].long()


@torch.no_grad()
def test_the_towers_are_those_of_transformers(reference):
    backbone = reference[0].vision_backbone
    pixels = torch.randn(1, 3, TINY.image_size, TINY.image_size, generator=torch.Generator().manual_seed(3))
    for tower, theirs in (
        (backbone.featurizer, as_dinov2(backbone.featurizer, TINY.dinov2)),
        (backbone.fused_featurizer, as_siglip(backbone.fused_featurizer, TINY.siglip)),
    ):
        expected = theirs(pixels, output_hidden_states=True).hidden_states[-2][:, tower.front :]
        torch.testing.assert_close(tower(pixels), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_every_stage_is_the_same(reference, inputs, ours):
    model, head, projector = reference
    for row in range(2):
        pixels, ids = pixel_values(inputs.frames[row]), prompt_ids(inputs, row)
        np.testing.assert_allclose(ours["see"][row], model.vision_backbone(pixels)[0], atol=TOLERANCE)
        state = projector(torch.tensor(inputs.state[row : row + 1]))[:, None]
        states, _, between = model.slot_states(pixels, ids, (state,))
        length = ours["lengths"][row]
        names = ["enter", *(f"block_{index}" for index in range(TINY.language.depth - 1))]
        assert len(names) < len(between)
        for name, expected in zip(names, between, strict=False):  # behind the last block theirs are normalised
            assert expected.shape[1] == length
            np.testing.assert_allclose(ours[name][row][:length], expected[0], atol=TOLERANCE, err_msg=name)
        np.testing.assert_allclose(ours["slots"][row], states[0], atol=TOLERANCE)
        predicted = head.predict_action(states)[0].numpy()
        predicted[:, -1] = 1 - 2 * predicted[:, -1]
        np.testing.assert_allclose(ours["normalized"][row], predicted, atol=TOLERANCE)


@torch.no_grad()
def test_actions_are_unnormalised_as_published(reference, inputs, ours):
    """With the mask, the small number and without clipping; the gripper as LIBERO has it."""
    model, head, projector = reference
    ranges = statistics()[DATASET]["action"]
    low, high, mask = np.array(ranges["q01"]), np.array(ranges["q99"]), np.array(ranges["mask"])
    beyond = 0
    for row in range(2):
        state = projector(torch.tensor(inputs.state[row : row + 1]))[:, None]
        states, _, _ = model.slot_states(pixel_values(inputs.frames[row]), prompt_ids(inputs, row), (state,))
        normalized = head.predict_action(states)[0].numpy()
        expected = np.where(mask, 0.5 * (normalized + 1) * (high - low + 1e-8) + low, normalized)
        expected[:, -1] = -np.sign(2 * expected[:, -1] - 1)
        np.testing.assert_allclose(ours["actions"][row], expected, atol=TOLERANCE)
        beyond += (np.abs(normalized[:, :-1]) > 1).sum()
    assert beyond > 5  # what lies outside the ranges is among what was compared
    assert set(np.unique(ours["actions"][..., -1])) == {-1.0, 1.0}


@torch.no_grad()
def test_tokens_are_the_same_one_by_one_and_all_at_once(reference, policy, inputs):
    """The language model's own causal attention with a cache, and OFT's in one pass."""
    backbone, steps = in_float32(policy.backbone), 7
    one = type(backbone).from_json(
        backbone.to_json() | {"chunk_length": 1, "state_size": 0, "is_causal": True, "cameras": ["agentview"]}
    )
    shown = inputs._replace(state=None)
    first = shown._replace(frames=inputs.frames[:, :1])
    params = policy.variables.backbone
    serial = np.asarray(jax.jit(lambda params, given: autoregressive_tokens(one, params, given))(params, first))
    parallel = np.asarray(jax.jit(lambda params, given: parallel_tokens(backbone, params, given))(params, shown))
    bins = np.linspace(-1, 1, 256)
    for row in range(2):
        ids = prompt_ids(inputs, row)
        expected = reference[0].generate(pixel_values(inputs.frames[row, :1]), ids, steps)
        np.testing.assert_array_equal(serial[row].reshape(-1), expected[0])
        _, logits, _ = reference[0].slot_states(pixel_values(inputs.frames[row]), ids)
        np.testing.assert_array_equal(parallel[row].reshape(-1), logits[0].argmax(-1))
        expected = ((bins[:-1] + bins[1:]) / 2)[np.clip(32000 - parallel[row] - 1, 0, 254)]
        expected[:, -1] = 1 - 2 * expected[:, -1]
        found = normalized_actions(backbone, jnp.asarray(parallel[row : row + 1]))
        np.testing.assert_allclose(found[0], expected, atol=1e-6)
    assert parallel.shape == (2, CHUNK, SLOTS // CHUNK)


def test_prompts_are_what_their_processor_makes(policy, published):
    from transformers import PreTrainedTokenizerFast

    theirs = PreTrainedTokenizerFast(tokenizer_file=str(published / "tokenizer.json"))
    for instruction in INSTRUCTIONS:
        prompt = f"In: What action should the robot take to {instruction.lower()}?\nOut:"
        expected = [*theirs(prompt).input_ids, 29871]
        encoded = policy.backbone.encode_instruction(instruction)
        np.testing.assert_array_equal(encoded, [*expected, *[32000] * (PROMPT_LENGTH - len(expected))])
    assert Tokenizer.from_file(policy.backbone.tokenizer_file).get_vocab_size() > 10


def test_the_way_back_gives_every_tensor_bit_for_bit(reference, published, run_dir, tmp_path):
    out = tmp_path / "back"
    count = publish(run_dir, out, shard_bytes=2**21)
    model, head, projector = reference
    from safetensors.torch import load_file

    weight_map = json.loads((out / "model.safetensors.index.json").read_text())["weight_map"]
    assert len(set(weight_map.values())) > 2
    read = {name: tensor for file in set(weight_map.values()) for name, tensor in load_file(out / file).items()}
    fresh = OpenVla(TINY)
    fresh.load_state_dict(read)  # every name, none more
    for name, tensor in model.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor), name
    for kind, module in (("action_head", head), ("proprio_projector", projector)):
        (file,) = out.glob(f"{kind}--*checkpoint.pt")
        loaded = torch.load(file, weights_only=True)
        assert loaded.keys() == module.state_dict().keys()
        assert all(torch.equal(loaded[name], tensor) for name, tensor in module.state_dict().items())
        assert all((read_torch_file(file)[name] == tensor.numpy()).all() for name, tensor in loaded.items())
    assert count == len(read) + len(head.state_dict()) + len(projector.state_dict())
    for name in ("config.json", "dataset_statistics.json", "tokenizer.json"):
        assert (out / name).read_bytes() == (published / name).read_bytes()
    assert open_published(out).network == open_published(published).network


@torch.no_grad()
def test_an_adapter_is_merged_as_peft_does(reference, published, tmp_path):
    """``W + alpha / r B A`` on some layers, of which one has no effect on actions."""
    model = reference[0]
    generator = torch.Generator().manual_seed(5)
    layers = (
        "language_model.model.layers.1.self_attn.k_proj",
        "vision_backbone.featurizer.blocks.0.attn.qkv",
        "vision_backbone.fused_featurizer.attn_pool.kv",
    )
    adapter, expected = {}, {}
    for layer in layers:
        weight = model.get_submodule(layer).weight
        down = torch.randn(4, weight.shape[1], generator=generator)
        up = torch.randn(weight.shape[0], 4, generator=generator)
        adapter |= {f"base_model.model.{layer}.lora_A.weight": down, f"base_model.model.{layer}.lora_B.weight": up}
        expected[f"{layer}.weight"] = weight + 2.0 * (up @ down)
    tuned = tmp_path / "tuned"
    (tuned / "lora_adapter").mkdir(parents=True)
    save_file(adapter, tuned / "lora_adapter" / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "base_model_name_or_path": "openvla-7b"}
    (tuned / "lora_adapter" / "adapter_config.json").write_text(json.dumps(config))
    for file in published.glob("*checkpoint.pt"):
        (tuned / file.name).write_bytes(file.read_bytes())
    write_small_files(tuned, TINY)
    with pytest.raises(ValueError, match=r"name the folder of what it changes \(openvla-7b\) as the base"):
        open_published(tuned)
    opened = open_published(tuned, base=published)
    for name, tensor in expected.items():
        np.testing.assert_allclose(opened.tensors.read(name), tensor, atol=1e-5)
    untouched = "language_model.model.layers.0.self_attn.k_proj.weight"
    np.testing.assert_array_equal(opened.tensors.read(untouched), model.state_dict()[untouched])
