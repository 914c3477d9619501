"""The small files of a published folder, with made-up numbers and a tokenizer of few words."""

import json

from tokenizers import Tokenizer, models, pre_tokenizers, processors

from rsd_jax.stored_models.openvla.published_config import config_of

DATASET = "libero_spatial_no_noops"
WORDS = (
    "In",
    ":",
    "What",
    "action",
    "should",
    "the",
    "robot",
    "take",
    "to",
    "pick",
    "up",
    "black",
    "bowl",
    "?",
    "Out",
)


def tokenizer():
    """Words and signs, each a token of its own, with Llama's token of a beginning in front."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | {word: 300 + place for place, word in enumerate(WORDS)}
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
