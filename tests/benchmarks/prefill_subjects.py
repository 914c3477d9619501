"""What prefill_speculation times: networks of 7B or tiny shapes with random weights, and inputs for them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from rsd_jax.backbones.openvla.action_tokens import autoregressive_tokens
from rsd_jax.backbones.openvla.backbone import NetworkInputs, OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import OPENVLA_7B, TINY
from rsd_jax.backbones.openvla.digit_network import DigitMain, DigitNetwork
from rsd_jax.backbones.openvla.digit_slots import DigitCode
from rsd_jax.backbones.openvla.token_network import token_network
from rsd_jax.backbones.openvla.token_sequence import BEGIN, EMPTY, PADDING
from rsd_jax.decoding import CodeShape, autoregressive
from rsd_jax.rfsq.strategies import Staggered

SHAPES = {"7b": (OPENVLA_7B, "bfloat16"), "tiny": (TINY, "float32")}
WORDS_OF_PROMPT = 24


@dataclass(frozen=True)
class Subject:
    """A code and what decodes it.

    Attributes:
        name: of the code. backbone: whose network it is decoded through, `network`, on `inputs`.
        informative: ``[L, D]``. serial: decodes without drafts, from parameters and inputs.
        scores_all_layers: see `speculative`.
    """

    name: str
    backbone: OpenVlaBackbone
    network: DigitNetwork
    inputs: NetworkInputs
    informative: jax.Array
    serial: Callable[[Any, NetworkInputs], Any]
    scores_all_layers: bool

    def code_shape(self, draft_layers: int) -> CodeShape:
        code = self.network.code
        return CodeShape(code.chunk_length, code.latent_dim, code.num_layers, draft_layers, self.informative)


def random_parameters(shape: str) -> dict[str, Any]:
    """Of OpenVLA and of digit slots: one array after the other, made on the device in the type they have there."""
    sizes, dtype = SHAPES[shape]
    subject = rfsq_layers(shape, batch=1)
    tokens = jnp.zeros((1, 8, 16, 8), jnp.int32)
    draw = partial(subject.network.init, num_layers=1, method="prefill")
    digits = jax.eval_shape(draw, jax.random.key(0), *subject.inputs, tokens)["params"]["digit_slots"]
    whole = jax.eval_shape(OpenVlaBackbone(sizes).init, jax.random.key(0))

    @partial(jax.jit, static_argnums=1)
    def normal(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return 0.02 * jax.random.normal(key, shape, dtype)

    leaves, structure = jax.tree.flatten(nn.unbox({"network": whole, "digit_slots": digits}))
    keys = jax.random.split(jax.random.key(0), len(leaves))
    return jax.tree.unflatten(structure, [normal(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)])


def rfsq_layers(shape: str, batch: int, is_mode_locked: bool = False) -> Subject:
    sizes, dtype = SHAPES[shape]
    backbone, code = OpenVlaBackbone(sizes, compute_dtype=dtype), DigitCode(is_mode_locked=is_mode_locked)
    network, informative = DigitNetwork(backbone.network(), code), Staggered().fixed_table().informative
    code_shape = CodeShape(code.chunk_length, code.latent_dim, code.num_layers, 0, informative)

    def serial(params: Any, inputs: NetworkInputs) -> Any:
        return autoregressive(inputs, DigitMain(network, params), code_shape, batch).tokens

    inputs = random_inputs(backbone, batch)
    return Subject("rfsq_layers", backbone, network, inputs, informative, serial, scores_all_layers=False)


def bins_256(shape: str, batch: int) -> Subject:
    sizes, dtype = SHAPES[shape]
    backbone = OpenVlaBackbone(sizes, ("agentview",), state_size=0, is_causal=True, compute_dtype=dtype)
    network = token_network(backbone.network())

    def serial(params: Any, inputs: NetworkInputs) -> Any:
        return autoregressive_tokens(backbone, params["network"], inputs)

    inputs, informative = random_inputs(backbone, batch), jnp.ones((network.code.num_layers, 1), bool)
    return Subject("bins_256", backbone, network, inputs, informative, serial, scores_all_layers=True)


def random_inputs(backbone: OpenVlaBackbone, batch: int) -> NetworkInputs:
    rng, side = np.random.default_rng(0), backbone.sizes.image_size
    frames = jnp.asarray(rng.integers(0, 256, (batch, len(backbone.cameras), side, side, 3), np.uint8))
    state = jnp.zeros((batch, backbone.state_size)) if backbone.state_size else None
    prompt = np.full((batch, backbone.prompt_length), PADDING, np.int32)
    prompt[:, :WORDS_OF_PROMPT] = rng.integers(3, 29000, (batch, WORDS_OF_PROMPT))
    prompt[:, 0], prompt[:, WORDS_OF_PROMPT - 1] = BEGIN, EMPTY
    return NetworkInputs(frames, state, jnp.asarray(prompt))
