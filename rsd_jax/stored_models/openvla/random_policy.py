"""OpenVLA-OFT with random weights, for all that can be seen and timed without a published checkpoint."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from rsd_jax.actions.conventions import DECLARED_RANGE
from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.array_types import PyTree
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import SIZES
from rsd_jax.backbones.openvla.prompt import TOKENIZER_FILE, prompt_of
from rsd_jax.backbones.openvla.token_sequence import BEGIN
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.backbones.rewording import PARTS, rewordings
from rsd_jax.checkpoints.stage_checkpoints import Leaf
from rsd_jax.heads.residual_regression_head import ResidualRegressionConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.stored_models.openvla.untrained_checkpoint import (
    HELDOUT_EVERY,
    new_policy_checkpoints,
    save_policy,
    untrained_facts,
)

_INSTRUCTIONS = (
    "pick up the black bowl between the plate and the ramekin and place it on the plate",
    "pick up the black bowl next to the cookie box from table center in the top drawer of the wooden cabinet",
    "put both the alphabet soup and the cream cheese box in the basket",
    "turn on the stove and put the moka pot on it",
    "open the middle drawer of the cabinet and push the plate to the front of the stove",
    "put the white mug on the left plate and the yellow and white mug on the right plate",
)
"""As LIBERO's are: of them and their rewordings a prompt has about as many tokens as by Llama's tokenizer."""


def write_random_policy(
    sizes: str,
    out: Path,
    dtype: str | None = None,
    seed: int = 0,
    heldout_every: int = HELDOUT_EVERY,
    **backbone: Any,
) -> Path:
    """Writes a policy of drawn parameters as the best policy of the run folder `out`; `load_policy` reads it.

    Its actions span the environment's range, its state is taken as it is, and its tokenizer is a made-up one.

    Args:
        sizes: a name among `rsd_jax.backbones.openvla.configuration.SIZES`.
        out: a run's folder without a policy.
        dtype: of the parameters; float32 where it is None. They are drawn on the default device, which must hold them.
        seed: of the parameters.
        heldout_every: see `rsd_jax.stored_models.openvla.conversion.write_checkpoint`.
        backbone: further fields of `OpenVlaBackbone`.

    Returns:
        The checkpoint's folder.

    Raises:
        ValueError: there are no such sizes, or a field is impossible.
        FileExistsError: `out` has a policy.
        CheckpointWriteError: `out` is full or not writable; nothing half-written remains.
    """
    if sizes not in SIZES:
        raise ValueError(f"random is {sizes!r}; it must be one of {', '.join(SIZES)}")
    made = OpenVlaBackbone(SIZES[sizes], **backbone)
    network = PolicyNetwork(made, ResidualRegressionConfig(made.action_dim, made.sizes.language.width))
    checkpoints = new_policy_checkpoints(out)
    low, high = (np.full(made.action_dim, end) for end in DECLARED_RANGE)
    zeros, ones = jnp.zeros(made.state_size, jnp.float32), jnp.ones(made.state_size, jnp.float32)
    normalizer = ActionNormalizer.from_quantiles(low, high, is_bounded=False)
    facts = untrained_facts(
        network, ProprioNormalizer(zeros, ones), normalizer, heldout_every, has_random_weights=True
    )
    config = {"source": f"random {sizes}", "seed": seed, "dtype": dtype}

    @jax.jit
    def draw(key: jax.Array) -> PyTree:
        drawn = nn.unbox(network.init(key))
        return drawn if dtype is None else jax.tree.map(lambda array: array.astype(dtype), drawn)

    with tempfile.TemporaryDirectory() as folder:
        tokenizer = Path(folder) / TOKENIZER_FILE
        _tokenizer().save(str(tokenizer))
        leaves = _leaves(draw(jax.random.key(seed)))
        return save_policy(checkpoints, leaves, facts, config, {TOKENIZER_FILE: tokenizer})


def _leaves(params: PyTree) -> Iterator[Leaf]:
    for path, array in jax.tree_util.tree_leaves_with_path(params):
        yield ("variables", "params", *(entry.key for entry in path)), np.asarray(array)
    yield ("variables", "model_state"), {}


def _tokenizer() -> Tokenizer:
    """Pairs of bytes (BPE) of `_INSTRUCTIONS` and rewordings; it takes any text, and begins it as Llama's does."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<unk>", "<s>", "</s>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=8192, min_frequency=1, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    texts = [text for given in _INSTRUCTIONS for part in PARTS for text in rewordings(given, 256, 0, part)]
    made.train_from_iterator(map(prompt_of, texts), trainer)
    assert made.token_to_id("<s>") == BEGIN
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BEGIN)])
    return made
