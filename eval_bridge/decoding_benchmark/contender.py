"""A decoder at one batch size: the calls to time, and what decoding took."""

import itertools
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from numpy.typing import NDArray

from eval_bridge.decoding_benchmark.decoding_facts import DecodingFacts, facts_of_looks, facts_of_tokens
from eval_bridge.decoding_benchmark.observations import Seen, first_requests
from eval_bridge.decoding_benchmark.settings import Entry
from eval_bridge.policies.cascade_decoder import CascadeDecoder
from eval_bridge.policies.compiled_policy import CompiledPolicy, LoadedModels
from eval_bridge.policies.decoder_models import Models
from eval_bridge.policies.decoders import LOSSLESS, Autoregressive, TokenDecoder
from eval_bridge.policies.interface import FUSED_STAGE, SKIPPED_STAGE, PolicyOutput, PolicyRequest
from eval_bridge.policies.stage_timing import Calls, CompiledParts, state_of_rows
from rsd_jax.backbones.interface import PolicyInputs

LOOKING_STAGE = "chunk_looking"
"""The fused call of a cascade in which every row looks; `FUSED_STAGE` takes its calls as they come."""

BEFORE = 16
"""Calls before those that are timed, so that a cascade is in the middle of its episodes."""

EXACT = (Autoregressive.name, *(decoder.name for decoder in LOSSLESS))
"""Decoders that promise the autoregressive decoder's tokens."""

_Argument = TypeVar("_Argument")


class Material(NamedTuple):
    """What contenders of one batch size share.

    Attributes:
        calls: what the rows see, `BEFORE` calls more than are timed.
        requests: of the timed calls.
        inputs: the same as the backbone takes them. features: what it makes of them.
    """

    calls: Sequence[Sequence[Seen]]
    requests: Sequence[dict[int, PolicyRequest]]
    inputs: Sequence[PolicyInputs]
    features: Sequence[jax.Array]


class Contender:
    """A decoder at one batch size, compiled.

    Attributes:
        entry: which decoder.
        calls: to time, by stage; each goes through all that its rows see, one after the other.
        facts: of decoding. rounds_of_look: passes of the main head a call in which it ran.
        tokens: found in each call, for decoders that promise the autoregressive decoder's; else empty.
        compile_s: seconds until decoder and fused call had run once.
    """

    calls: Calls
    facts: DecodingFacts
    rounds_of_look: float
    tokens: Sequence[NDArray[np.int32]]
    compile_s: float

    def __init__(self, entry: Entry, models: LoadedModels, material: Material) -> None:
        """Compiles, and decodes all calls once.

        Raises:
            ValueError: the models are none for the decoder's settings.
        """
        self.entry, self._models, self._material = entry, models, material
        decoder, requests = entry.decoder, material.requests
        self._policy = CompiledPolicy(decoder, models, len(requests[0]))
        self._parts = CompiledParts(decoder, *models)
        self.tokens = ()
        started = time.perf_counter()
        features = self._features()
        jax.block_until_ready((self._policy.act_batch(requests[0]), self._parts.decoder(features[0])))
        self.compile_s = time.perf_counter() - started
        self.calls = {
            "decoder": in_turn(self._parts.decoder, features),
            FUSED_STAGE: in_turn(self._policy.act_batch, requests),
        }
        self.facts, self.rounds_of_look = DecodingFacts(), 0.0
        if isinstance(decoder, TokenDecoder):
            self._add_tokens()
        elif isinstance(decoder, CascadeDecoder):
            self._add_cascade(decoder, features)

    def _features(self) -> Sequence[jax.Array]:
        if not isinstance(self.entry.decoder, CascadeDecoder):
            return self._material.features
        return [self._parts.backbone(inputs) for inputs in self._material.inputs]

    def _add_tokens(self) -> None:
        shape = Models(*self._models).code_shape
        results = [self._parts.decoder.found(features) for features in self._material.features]
        self.facts = facts_of_tokens(results, shape.chunk_length * int(shape.informative.sum()))
        self.rounds_of_look = self.facts.rounds or 0.0
        if self.entry.decoder.name in EXACT:
            self.tokens = [np.asarray(result.tokens) for result in results]

    def _add_cascade(self, decoder: CascadeDecoder, features: Sequence[jax.Array]) -> None:
        """Its own stages, and its calls as they come: in the middle of episodes, with what it remembers of them."""
        material, parts, act = self._material, self._parts, self._policy.act_batch
        assert parts.draft is not None
        assert parts.detokenize is not None
        start = decoder.initial_state(Models(*self._models))
        propose = partial(_with_state, parts.draft, state_of_rows(start, len(material.requests[0])))
        tokens = jax.device_put([parts.decoder.found(each).tokens[:, 0] for each in features])
        requests, outputs = _replay(self._policy, material.calls)
        self.facts, self.rounds_of_look = facts_of_looks(outputs)
        self.calls |= {
            "draft": in_turn(propose, material.inputs),
            "backbone": in_turn(parts.backbone, material.inputs),
            "detokenize": in_turn(parts.detokenize, tokens),
            FUSED_STAGE: in_turn(act, requests),
            LOOKING_STAGE: in_turn(act, material.requests),
        }
        if not decoder.shadow:
            self.calls[SKIPPED_STAGE] = in_turn(partial(act, asked=False), requests)


def in_turn(function: Callable[[_Argument], object], arguments: Sequence[_Argument]) -> Callable[[], object]:
    """A call of `function` with the next of `arguments`, from the first again after the last."""
    turns = itertools.cycle(arguments)
    return lambda: function(next(turns))


def material_of(
    calls: Sequence[Sequence[Seen]], policy: CompiledPolicy, backbone: Callable[[PolicyInputs], jax.Array]
) -> Material:
    """What the contenders of a batch size share, of `calls` that begin `BEFORE` the first timed one."""
    requests = first_requests(calls[BEFORE:])
    inputs = [policy.preprocess(request) for request in requests]
    return Material(calls, requests, inputs, [backbone(each) for each in inputs])


def _with_state(propose: Callable[..., Any], state: Any, inputs: PolicyInputs) -> object:
    return propose(inputs, state)


def _replay(
    policy: CompiledPolicy, calls: Sequence[Sequence[Seen]]
) -> tuple[list[dict[int, PolicyRequest]], list[list[PolicyOutput]]]:
    """The timed calls as requests with their episodes' states, and what was answered."""
    states: dict[int, Any] = {}
    requests, outputs = [], []
    for seen, request in zip(calls, first_requests(calls), strict=True):
        asked = {
            row: each if seen[row].is_first else each._replace(state=states.get(row)) for row, each in request.items()
        }
        answers = policy.act_batch(asked)
        states = {row: answer.state for row, answer in answers.items()}
        requests.append(asked)
        outputs.append([answer.output for answer in answers.values()])
    return requests[BEFORE:], outputs[BEFORE:]
