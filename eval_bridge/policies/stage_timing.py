"""A policy's parts as calls to time: each compiled separately and given the true output of the part before."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from eval_bridge.policies.decoder_models import DecoderFeatures, ModelArrays, Models, Networks
from eval_bridge.policies.decoders import Decoder, TokenDecoder
from rsd_jax.array_types import Actions, Features, Logits, Position, Tokens
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.decoding import DecodeResult

Calls = dict[str, Callable[[], object]]


def part_functions(decoder: Decoder, networks: Networks, arrays: ModelArrays, inputs: PolicyInputs) -> Calls:
    """Backbone, decoder, and of a decoder of tokens what follows it and the single passes of the cost model."""
    backbone = jax.jit(lambda arrays, inputs: Models(networks, arrays).features(inputs))
    features = backbone(arrays, inputs)
    calls: Calls = {"backbone": lambda: backbone(arrays, inputs)}
    if isinstance(decoder, TokenDecoder):
        return calls | _token_parts(decoder, networks, arrays, features)
    teacher = jax.jit(lambda arrays, features: Models(networks, arrays).teacher_actions(features))
    return calls | {"decoder": lambda: teacher(arrays, features)}


def _token_parts(decoder: TokenDecoder, networks: Networks, arrays: ModelArrays, features: Features) -> Calls:
    @jax.jit
    def decode(arrays: ModelArrays, features: Features) -> DecodeResult:
        return decoder.find_tokens(Models(networks, arrays), features)

    @jax.jit
    def detokenize(arrays: ModelArrays, tokens: Tokens) -> Actions:
        return Models(networks, arrays).detokenize(tokens)

    tokens = decode(arrays, features).tokens
    calls: Calls = {"decoder": lambda: decode(arrays, features), "detokenize": lambda: detokenize(arrays, tokens)}
    return calls if networks.draft is None else calls | _passes(networks, arrays, features, tokens)


def _passes(networks: Networks, arrays: ModelArrays, features: Features, tokens: Tokens) -> Calls:
    """Single passes of the cost model, from the first layer."""
    assert networks.draft is not None
    ahead = networks.draft.config.draft_layers + 1

    @jax.jit
    def prepare(arrays: ModelArrays, features: Features) -> DecoderFeatures:
        return Models(networks, arrays).prepare(features)

    @jax.jit
    def draft(arrays: ModelArrays, prepared: DecoderFeatures, tokens: Tokens, position: Position) -> Logits:
        return Models(networks, arrays).draft(prepared, tokens, position)

    def score(num_layers: int) -> Callable[[], object]:
        @jax.jit
        def main(arrays: ModelArrays, prepared: DecoderFeatures, tokens: Tokens, position: Position) -> Logits:
            return Models(networks, arrays).main(prepared, tokens, position, num_layers=num_layers)

        return lambda: main(arrays, prepared, tokens, start)

    prepared, start = prepare(arrays, features), jnp.zeros(tokens.shape[:-1], jnp.int32)
    return {
        "draft_pass": lambda: draft(arrays, prepared, tokens, start),
        "verify_pass": score(ahead),
        "step_pass": score(1),
    }
