"""Backbone, heads and decoder as one compiled function, from observations to actions."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from eval_bridge.observations import Observation
from eval_bridge.policies.decoder_models import DecoderFeatures, DecoderModels, HeadVariables
from eval_bridge.policies.decoders import TOKEN_DECODERS, check_decoder
from eval_bridge.policies.interface import PolicyOutput
from eval_bridge.policies.observation_needs import PolicyObservation, reduce_observation
from rsd_jax.array_types import Actions, Features, LayerMask, PyTree, Tokens
from rsd_jax.backbones.instruction import encode_instruction
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.decoding import AcceptanceCounts, Decoder, DecodeResult
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.stored_models import load_draft, load_main_head, load_policy, load_tokenizer
from rsd_jax.stored_models.policy import PolicyVariables, StoredPolicy


class Chunk(NamedTuple):
    """What one compiled call returns: actions ``[B, C, A]`` in the environment's units, and what decoding took."""

    actions: Actions
    rounds: Int[Array, "B"]
    acceptance: AcceptanceCounts

    def output(self, row: int, seconds: float) -> PolicyOutput:
        """One row of a chunk that is on the host."""
        return PolicyOutput(
            actions=np.asarray(self.actions[row]),
            rounds=int(self.rounds[row]),
            accepted=np.asarray(self.acceptance.accepted[row]),
            proposed=np.asarray(self.acceptance.proposed[row]),
            first_run=np.asarray(self.acceptance.first_run[row]),
            seconds=seconds,
        )


def policy_inputs(observations: Sequence[PolicyObservation]) -> PolicyInputs:
    """Observations as a batch on the device."""
    images = np.stack([observation.frames for observation in observations])
    proprio = np.stack([observation.proprio for observation in observations])
    instructions = np.stack([encode_instruction(observation.instruction) for observation in observations])
    return PolicyInputs(*jax.device_put((images, proprio, instructions)))


def default_policy_batch() -> int:
    """Rows of a call of the policy: on a CPU a row more is a call more, an accelerator computes 32 as fast as one."""
    return 1 if jax.default_backend() == "cpu" else 32


class CompiledPolicy:
    """A trained policy with one decoder, compiled at its first call (implements `Policy`)."""

    decoder: str
    batch_size: int

    def __init__(self, decoder: str, computation: "_Computation", batch_size: int) -> None:
        """Use `load`."""
        if batch_size < 1:
            raise ValueError(f"policy_batch={batch_size} must be at least 1: the rows of one call of the policy.")
        self.decoder, self.batch_size = decoder, batch_size
        self._computation = computation
        self._arrays = computation.arrays()
        self._chunk = jax.jit(computation.chunk)

    @classmethod
    def load(
        cls, run_dir: Path | str = PRETRAINED, decoder: str = "speculative_greedy", batch_size: int = 1
    ) -> "CompiledPolicy":
        """Loads what a run has trained.

        Args:
            run_dir: the run's folder; by default the checkpoint that ships with the project.
            decoder: one of `eval_bridge.policies.interface.DECODER_STAGES`.
            batch_size: rows of `act_batch`.

        Raises:
            ValueError: no decoder is called `decoder`, or `batch_size` is below 1.
            CheckpointError: a stage is missing or damaged, or stages do not belong together.
        """
        check_decoder(decoder)
        policy = load_policy(run_dir)
        if decoder not in TOKEN_DECODERS:
            return cls(decoder, _Regression(policy), batch_size)
        tokenizer = load_tokenizer(run_dir)
        draft = load_draft(run_dir, tokenizer.token_hash, policy)
        main = load_main_head(run_dir, tokenizer.token_hash, policy)
        heads = HeadVariables(tokenizer.table, draft.params, main.params)
        models = DecoderModels(draft.model, main.model)
        return cls(decoder, _TokenDecoding(policy, tokenizer, heads, models, TOKEN_DECODERS[decoder]), batch_size)

    def act(self, observation: Observation) -> PolicyOutput:
        """Decides on the next chunk, at batch 1. The first call compiles."""
        started = time.perf_counter()
        chunk = self._decide([reduce_observation(observation)])
        return chunk.output(0, time.perf_counter() - started)

    def act_batch(self, observations: Mapping[int, PolicyObservation]) -> dict[int, PolicyOutput]:
        """Decides for up to `batch_size` observations by one call of that shape. The first call compiles.

        Args:
            observations: row -> observation. The other rows compute on a copy of one of them, and are dropped.

        Raises:
            ValueError: no observation, or a row that is not in 0 .. batch_size - 1.
        """
        if not observations or not set(observations) <= set(range(self.batch_size)):
            raise ValueError(f"rows={sorted(observations)} must be at least one of 0 to {self.batch_size - 1}.")
        started = time.perf_counter()
        filling = next(iter(observations.values()))
        chunk = self._decide([observations.get(row, filling) for row in range(self.batch_size)])
        seconds = time.perf_counter() - started
        return {row: chunk.output(row, seconds) for row in observations}

    def _decide(self, observations: Sequence[PolicyObservation]) -> Chunk:
        """The compiled call, its result on the host."""
        return jax.device_get(self._chunk(self._arrays, policy_inputs(observations)))

    def stage_functions(self, observation: Observation) -> dict[str, Callable[[], object]]:
        """The fused call and its parts, each compiled separately and given the true output of the part before."""

        def preprocess() -> PolicyInputs:
            return policy_inputs([reduce_observation(observation)])

        return {
            "chunk": lambda: self.act(observation),
            "preprocess": preprocess,
            **self._computation.stage_functions(self._arrays, preprocess()),
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
        rows = len(actions)
        no_tokens, no_runs = jnp.zeros((rows, 0, 0), jnp.int32), jnp.zeros((rows, 0), jnp.int32)
        return Chunk(actions, jnp.zeros(rows, jnp.int32), AcceptanceCounts(no_tokens, no_tokens, no_runs))

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
