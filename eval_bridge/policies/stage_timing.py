"""A policy's parts as calls to time: each compiled separately and given the true output of the part before."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eval_bridge.policies.byte_layout import ByteLayout
from eval_bridge.policies.cascade_decoder import CascadeDecoder, CascadeState, Foresight
from eval_bridge.policies.compiler_options import compiler_options
from eval_bridge.policies.decoder_interface import Decoder
from eval_bridge.policies.decoder_models import DecoderFeatures, DraftProposals, ModelArrays, Models, Networks
from eval_bridge.policies.decoders import TokenDecoder
from eval_bridge.policies.embedded_arrays import EmbeddedArrays
from rsd_jax.array_types import Logits, Position, PyTree, Tokens
from rsd_jax.backbones.interface import PolicyInputs

Calls = dict[str, Callable[[], object]]
Compiled = Callable[..., Any]


def compiled(
    networks: Networks, arrays: ModelArrays, function: Callable[..., Any], keep_unused: bool = False
) -> Compiled:
    """`function` of `Models` and further arguments as a compiled call of the further ones.

    Args:
        networks, arrays: of the models; the large arrays are arguments, as in the deployed call.
        function: traceable.
        keep_unused: whether arrays that `function` does not read are arguments nevertheless.
    """
    embedded = EmbeddedArrays(arrays)

    @partial(jax.jit, keep_unused=keep_unused, compiler_options=compiler_options())
    def call(given: tuple[jax.Array, ...], *arguments: Any) -> Any:
        return function(Models(networks, embedded.unpack(given)), *arguments)

    return lambda *arguments: call(embedded.arguments, *arguments)


class PackedPart:
    """A compiled part that returns rows of bytes, as the deployed call does: every array returned would cost time."""

    def __init__(self, networks: Networks, arrays: ModelArrays, function: Callable[..., Any]) -> None:
        """Compiles nothing yet.

        Args:
            networks, arrays: of the models.
            function: of `Models` and further arguments; traceable. Of what it returns rows are the first axis.
        """

        def packed(models: Models, *arguments: Any) -> jax.Array:
            found = function(models, *arguments)
            self._layout = ByteLayout.of_batch(found)
            return self._layout.pack(found)

        self._call = compiled(networks, arrays, packed)

    def __call__(self, *arguments: Any) -> jax.Array:
        """What `function` returns, packed; on the device."""
        rows: jax.Array = self._call(*arguments)
        return rows

    def found(self, *arguments: Any) -> Any:
        """The same on the host, as `function` returns it."""
        return self.read(self(*arguments))

    def read(self, rows: jax.Array) -> Any:
        """What a call returned, on the host."""
        of_rows = [self._layout.views(row) for row in np.array(rows)]
        return jax.tree.map(lambda *arrays: np.stack(arrays), *of_rows)


class CompiledParts:
    """The parts of a policy with one decoder, each a compiled function; compiled when first called.

    Attributes:
        backbone: ``PolicyInputs`` -> what the decoder's part takes: features.
        decoder: features -> what was found, packed: a `DecodeResult`, or actions of a decoder without tokens; of a
            cascade the `Foresight` of a look.
        detokenize: tokens -> actions; None without tokens.
        draft: ``PolicyInputs`` and a cascade's state -> proposals, of an early exit with the first blocks of the
            backbone; None of other decoders.
    """

    def __init__(self, decoder: Decoder, networks: Networks, arrays: ModelArrays) -> None:
        """Compiles nothing yet."""
        self.networks = networks
        # Nothing behind the backbone takes the policy's arrays, but where its regression head is asked.
        self.head_arrays = replace(arrays, policy=None, draft_policy=None, confidence=None)
        part, of_head = partial(compiled, networks, arrays), partial(compiled, networks, self.head_arrays)
        self.backbone = part(Models.features)
        self.detokenize: Compiled | None = of_head(Models.detokenize)
        self.draft: Compiled | None = None
        if isinstance(decoder, TokenDecoder):
            self.decoder = PackedPart(networks, self.head_arrays, decoder.find_tokens)
        elif isinstance(decoder, CascadeDecoder):

            def propose(models: Models, inputs: PolicyInputs, state: CascadeState) -> DraftProposals:
                return decoder.propose(models, decoder.begin(models, inputs), state)

            def read(models: Models, features: jax.Array) -> Foresight:
                return decoder.read(models, features)

            self.backbone, self.draft = part(Models.foreseen_features), part(propose)
            self.decoder = PackedPart(networks, arrays, read)
        else:
            self.decoder, self.detokenize = PackedPart(networks, arrays, Models.teacher_actions), None

    def passes(self, features: jax.Array, tokens: Tokens) -> Calls:
        """Single passes of the cost model, as decoders make them; empty without a draft model."""
        draft_model = self.networks.draft
        if draft_model is None:
            return {}
        part = partial(compiled, self.networks, self.head_arrays)
        prepared: DecoderFeatures = part(Models.prepare)(features)
        start: Position = jnp.zeros(tokens.shape[:-1], jnp.int32)

        def score(num_layers: int) -> Compiled:
            # From layer 0 as a number: decoders score at positions that are known while they are compiled.
            def main(models: Models, prepared: DecoderFeatures, tokens: Tokens) -> Logits:
                return models.main(prepared, tokens, 0, num_layers=num_layers)

            return part(main)

        draft, verify, step = part(Models.draft), score(tokens.shape[-1]), score(1)
        return {
            "draft_pass": lambda: draft(prepared, tokens, start),
            "verify_pass": lambda: verify(prepared, tokens),
            "step_pass": lambda: step(prepared, tokens),
        }


def found_tokens(found: Any) -> Tokens | None:
    """The tokens of what `CompiledParts.decoder` found, read, to act on; None of a decoder without tokens."""
    if isinstance(found, Foresight):
        return found.tokens[:, 0]
    tokens: Tokens | None = getattr(found, "tokens", None)
    return tokens


def state_of_rows(state: PyTree, rows: int) -> PyTree:
    """An episode's state, such as the first, for each of so many rows."""
    return jax.tree.map(lambda array: jnp.broadcast_to(array, (rows, *np.shape(array))), state)


def part_functions(decoder: Decoder, networks: Networks, arrays: ModelArrays, inputs: PolicyInputs) -> Calls:
    """The stages behind pre-processing, and of a decoder of tokens the single passes of the cost model."""
    parts = CompiledParts(decoder, networks, arrays)
    features = parts.backbone(inputs)
    tokens = jax.device_put(found_tokens(parts.decoder.found(features)))
    calls: Calls = {"backbone": lambda: parts.backbone(inputs), "decoder": lambda: parts.decoder(features)}
    if parts.draft is not None:
        draft, start = parts.draft, decoder.initial_state(Models(networks, arrays))
        state = state_of_rows(start, len(inputs.proprio))
        calls["draft"] = lambda: draft(inputs, state)
    if parts.detokenize is not None and tokens is not None:
        detokenize = parts.detokenize
        calls["detokenize"] = lambda: detokenize(tokens)
        if isinstance(decoder, TokenDecoder):
            calls |= parts.passes(features, tokens)
    return calls
