"""Published folders of made-up numbers, with a tokenizer of few words; nothing here needs PyTorch."""

import json

import jax
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.heads.residual_regression_head import ResidualRegressionConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.stored_models.openvla.published_config import config_of
from rsd_jax.stored_models.openvla.published_names import published_arrays, unused_tensors
from rsd_jax.stored_models.torch_file_writing import write_torch_file

DATASET = "libero_spatial_no_noops"
WORDS = "In : What action should the robot take to pick up black bowl ? Out"


def tokenizer():
    """Words and signs, each a token of its own, with Llama's token of a beginning in front."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | {word: 300 + place for place, word in enumerate(WORDS.split())}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return made


def statistics():
    """Six dimensions of motion and a gripper that is masked out; ranges that are not symmetric."""
    motion = [0.1 * (1 + place) for place in range(6)]
    action = {"q01": [-value for value in motion] + [0.0], "q99": [2 * value for value in motion] + [1.0]}
    state = {"q01": [-0.1 * place for place in range(8)], "q99": [1.0 + 0.2 * place for place in range(8)]}
    return {DATASET: {"action": action | {"mask": [True] * 6 + [False]}, "proprio": state}}


def write_small_files(folder, sizes, **config):
    (folder / "config.json").write_text(json.dumps(config_of(sizes) | config))
    (folder / "dataset_statistics.json").write_text(json.dumps(statistics()))
    tokenizer().save(str(folder / "tokenizer.json"))


def write_published(folder, sizes, dtype=np.float32):
    """A whole folder of OFT's; returns its tensors by name, those of the files beside the model with their prefix."""
    network = PolicyNetwork(OpenVlaBackbone(sizes), ResidualRegressionConfig(hidden_features=sizes.language.width))
    shapes = flatten_dict(nn.unbox(jax.eval_shape(network.init, jax.random.key(0))))
    expected = dict(unused_tensors(sizes))
    for array in published_arrays(sizes, has_state=True, head_blocks=2):
        expected |= dict(zip(array.names, array.layout.published_shapes(shapes[array.path].shape), strict=True))
    generator = np.random.default_rng(0)
    tensors = {name: generator.standard_normal(shape, np.float32).astype(dtype) for name, shape in expected.items()}
    for kind in ("action_head", "proprio_projector"):
        beside = {name.removeprefix(f"{kind}."): tensors[name] for name in tensors if name.startswith(f"{kind}.")}
        write_torch_file(folder / f"{kind}--150000_checkpoint.pt", beside)
    save_file(of_the_model(tensors), folder / "model.safetensors")
    write_small_files(folder, sizes)
    return tensors


def of_the_model(tensors):
    return {name: each for name, each in tensors.items() if not name.startswith(("action_head", "proprio_projector"))}
