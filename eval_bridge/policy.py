"""Backbone, heads and decoder as one compiled function, from an observation to actions."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from eval_bridge.decoder_models import DecoderFeatures, DecoderModels, HeadVariables
from eval_bridge.interface import PolicyOutput, check_decoder
from eval_bridge.simulators.interface import Observation
from rsd_jax.array_types import Actions, Features, LayerMask, PyTree, Tokens
from rsd_jax.backbones.instruction import encode_instruction
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.decoding import AcceptanceCounts, Decoder, DecodeResult, autoregressive, speculative_greedy
from rsd_jax.demos.frames import to_stored_size
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.stored_models import load_draft, load_main_head, load_policy, load_tokenizer
from rsd_jax.stored_models.policy import PolicyVariables, StoredPolicy

TOKEN_DECODERS: dict[str, Decoder] = {"autoregressive": autoregressive, "speculative_greedy": speculative_greedy}
"""Decoders of tokens by name; ``l1_regression`` needs none."""


class Chunk(NamedTuple):
    """What one compiled call returns: actions ``[1, C, A]`` in the environment's units, and what decoding took."""

    actions: Actions
    rounds: jax.Array
    acceptance: AcceptanceCounts


def policy_inputs(observation: Observation) -> PolicyInputs:
    """An observation as a batch of one on the device, through the same frames as demonstrations are stored."""
    frames = [to_stored_size(frame) for frame in (observation.agentview, observation.wrist)]
    inputs = (np.stack(frames), observation.proprio, encode_instruction(observation.instruction))
    return PolicyInputs(*jax.device_put([array[None] for array in inputs]))


class CompiledPolicy:
    """A trained policy with one decoder, compiled at its first call (implements `eval_bridge.interface.Policy`)."""

    decoder: str

    def __init__(self, decoder: str, computation: "_Computation") -> None:
        """Use `load`."""
        self.decoder = decoder
        self._computation = computation
        self._arrays = computation.arrays()
        self._chunk = jax.jit(computation.chunk)

    @classmethod
    def load(cls, run_dir: Path | str, decoder: str = "speculative_greedy") -> "CompiledPolicy":
        """Loads what a run has trained.

        Raises:
            ValueError: no decoder is called `decoder`.
            CheckpointError: a stage is missing or damaged, or stages do not belong together.
        """
        check_decoder(decoder)
        policy = load_policy(run_dir)
        if decoder not in TOKEN_DECODERS:
            return cls(decoder, _Regression(policy))
        tokenizer = load_tokenizer(run_dir)
        draft = load_draft(run_dir, tokenizer.token_hash, policy)
        main = load_main_head(run_dir, tokenizer.token_hash, policy)
        heads = HeadVariables(tokenizer.table, draft.params, main.params)
        models = DecoderModels(draft.model, main.model)
        return cls(decoder, _TokenDecoding(policy, tokenizer, heads, models, TOKEN_DECODERS[decoder]))

    def act(self, observation: Observation) -> PolicyOutput:
        """Decides on the next chunk. The first call compiles."""
        started = time.perf_counter()
        chunk = jax.device_get(self._chunk(self._arrays, policy_inputs(observation)))
        return PolicyOutput(
            actions=chunk.actions[0],
            rounds=int(chunk.rounds),
            accepted=chunk.acceptance.accepted[0],
            proposed=chunk.acceptance.proposed[0],
            seconds=time.perf_counter() - started,
        )

    def stage_functions(self, observation: Observation) -> dict[str, Callable[[], object]]:
        """The fused call and its parts, each compiled separately and given the true output of the part before."""
        return {
            "chunk": lambda: self.act(observation),
            "preprocess": lambda: policy_inputs(observation),
            **self._computation.stage_functions(self._arrays, policy_inputs(observation)),
        }


class _Computation(Protocol):
    """What happens between inputs and actions. All arrays are arguments, so that compiled programs capture none."""

    def arrays(self) -> PyTree: ...

    def chunk(self, arrays: Any, inputs: PolicyInputs) -> Chunk: ...

    def stage_functions(self, arrays: Any, inputs: PolicyInputs) -> dict[str, Callable[[], object]]: ...


@dataclass(frozen=True)
class _Regression:
    """Actions straight from the L1 teacher."""

    policy: StoredPolicy

    def arrays(self) -> PolicyVariables:
        return self.policy.variables

    def chunk(self, arrays: PolicyVariables, inputs: PolicyInputs) -> Chunk:
        actions = self.policy.teacher_actions(arrays, self.policy.features(arrays, inputs))
        nothing = jnp.zeros((1, 0), jnp.int32)
        return Chunk(actions, jnp.int32(0), AcceptanceCounts(nothing, nothing))

    def stage_functions(self, arrays: PolicyVariables, inputs: PolicyInputs) -> dict[str, Callable[[], object]]:
        backbone, teacher = jax.jit(self.policy.features), jax.jit(self.policy.teacher_actions)
        features = backbone(arrays, inputs)
        return {"backbone": lambda: backbone(arrays, inputs), "decoder": lambda: teacher(arrays, features)}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class _Arrays:
    policy: PolicyVariables
    tokenizer: RfsqTokenizer
    heads: HeadVariables
    informative: LayerMask


@dataclass(frozen=True)
class _TokenDecoding:
    """Features, then tokens by a decoder, then the actions that these tokens mean."""

    policy: StoredPolicy
    tokenizer: RfsqTokenizer
    heads: HeadVariables
    models: DecoderModels
    decoder: Decoder

    def arrays(self) -> _Arrays:
        return _Arrays(self.policy.variables, self.tokenizer, self.heads, self.tokenizer.informative)

    def chunk(self, arrays: _Arrays, inputs: PolicyInputs) -> Chunk:
        result = self._decode(arrays, self.policy.features(arrays.policy, inputs))
        return Chunk(arrays.tokenizer.detokenize(result.tokens), result.rounds, result.acceptance)

    def _decode(self, arrays: _Arrays, features: Features) -> DecodeResult:
        prepared = self.models.prepare(arrays.heads, features)
        shape = self.models.code_shape(arrays.tokenizer, arrays.informative)
        return self.decoder(prepared, self.models.draft, self.models.main, shape, features.shape[0])

    def stage_functions(self, arrays: _Arrays, inputs: PolicyInputs) -> dict[str, Callable[[], object]]:
        backbone, decode = jax.jit(self.policy.features), jax.jit(self._decode)
        detokenize = jax.jit(RfsqTokenizer.detokenize)
        features = backbone(arrays.policy, inputs)
        tokens = decode(arrays, features).tokens
        return {
            "backbone": lambda: backbone(arrays.policy, inputs),
            "decoder": lambda: decode(arrays, features),
            "detokenize": lambda: detokenize(arrays.tokenizer, tokens),
            **self._passes(arrays, features, tokens),
        }

    def _passes(self, arrays: _Arrays, features: Features, tokens: Tokens) -> dict[str, Callable[[], object]]:
        """Single passes of the cost model, from the first layer."""
        prepared: DecoderFeatures = jax.jit(self.models.prepare)(arrays.heads, features)
        start = jnp.zeros(tokens.shape[:-1], jnp.int32)
        draft = jax.jit(self.models.draft)
        score = jax.jit(self.models.main, static_argnames="num_layers")
        ahead = self.models.draft_model.config.draft_layers + 1
        return {
            "draft_pass": lambda: draft(prepared, tokens, start),
            "verify_pass": lambda: score(prepared, tokens, start, num_layers=ahead),
            "step_pass": lambda: score(prepared, tokens, start, num_layers=1),
        }
