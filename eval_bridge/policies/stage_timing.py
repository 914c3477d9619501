"""A policy's parts as calls to time: each compiled separately and given the true output of the part before."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from eval_bridge.policies.decoder_interface import Decoder
from eval_bridge.policies.decoder_models import DecoderFeatures, ModelArrays, Models, Networks
from eval_bridge.policies.decoders import TokenDecoder
from eval_bridge.policies.packed_arrays import PackedArrays
from rsd_jax.array_types import Features, Logits, Position, Tokens
from rsd_jax.backbones.interface import PolicyInputs

Calls = dict[str, Callable[[], object]]
Compiled = Callable[..., Any]


def part_functions(decoder: Decoder, networks: Networks, arrays: ModelArrays, inputs: PolicyInputs) -> Calls:
    """Backbone, decoder, and of a decoder of tokens what follows it and the single passes of the cost model."""
    backbone = _compiled(networks, arrays, Models.features)
    features = backbone(inputs)
    calls: Calls = {"backbone": lambda: backbone(inputs)}
    if isinstance(decoder, TokenDecoder):
        # Without the policy's arrays, which nothing behind the backbone takes.
        return calls | _token_parts(decoder, networks, replace(arrays, policy=None), features)
    teacher = _compiled(networks, arrays, Models.teacher_actions)
    return calls | {"decoder": lambda: teacher(features)}


def _compiled(networks: Networks, arrays: ModelArrays, function: Callable[..., Any]) -> Compiled:
    """`function` of `Models` and further arguments as a call of the further ones."""
    packed = PackedArrays(arrays)

    @jax.jit
    def call(given: tuple[jax.Array, ...], *arguments: Any) -> Any:
        return function(Models(networks, packed.unpack(given)), *arguments)

    return lambda *arguments: call(packed.arguments, *arguments)


def _token_parts(decoder: TokenDecoder, networks: Networks, arrays: ModelArrays, features: Features) -> Calls:
    decode = _compiled(networks, arrays, decoder.find_tokens)
    detokenize = _compiled(networks, arrays, Models.detokenize)
    tokens = decode(features).tokens
    calls: Calls = {"decoder": lambda: decode(features), "detokenize": lambda: detokenize(tokens)}
    return calls if networks.draft is None else calls | _passes(networks, arrays, features, tokens)


def _passes(networks: Networks, arrays: ModelArrays, features: Features, tokens: Tokens) -> Calls:
    """Single passes of the cost model, from the first layer."""
    assert networks.draft is not None
    prepared: DecoderFeatures = _compiled(networks, arrays, Models.prepare)(features)
    start = jnp.zeros(tokens.shape[:-1], jnp.int32)

    def score(num_layers: int) -> Callable[[], object]:
        def main(models: Models, prepared: DecoderFeatures, tokens: Tokens, position: Position) -> Logits:
            return models.main(prepared, tokens, position, num_layers=num_layers)

        call = _compiled(networks, arrays, main)
        return lambda: call(prepared, tokens, start)

    draft = _compiled(networks, arrays, Models.draft)
    return {
        "draft_pass": lambda: draft(prepared, tokens, start),
        "verify_pass": score(networks.draft.config.draft_layers + 1),
        "step_pass": score(1),
    }
