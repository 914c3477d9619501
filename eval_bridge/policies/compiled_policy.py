"""Backbone, heads and decoder as one compiled function, from observations to actions."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Sharding
from jax.stages import Lowered

from eval_bridge.observations import Observation
from eval_bridge.policies.cascade_decoder import CascadeDecoder
from eval_bridge.policies.compiled_call import CompiledCall
from eval_bridge.policies.decoder_interface import DecodedChunks, Decoder
from eval_bridge.policies.decoder_models import ModelArrays, Models, Networks
from eval_bridge.policies.decoders import Certified, L1Regression, read_decoder
from eval_bridge.policies.embedded_arrays import EmbeddedArrays
from eval_bridge.policies.interface import (
    FUSED_STAGE,
    SKIPPED_STAGE,
    PolicyAnswer,
    PolicyOutput,
    PolicyRequest,
    ShadowOutput,
)
from eval_bridge.policies.observation_needs import check_needs, select_observation
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.policies.stage_timing import part_functions
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.checkpoints import StageCheckpoints
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.rfsq import make_certificate
from rsd_jax.stored_models import (
    load_confidence,
    load_draft,
    load_draft_policy,
    load_early_exit,
    load_main_head,
    load_policy,
    load_tokenizer,
)

_SOME_EPISODE = episode_key(0, 0, 0)


def default_policy_batch() -> int:
    """Rows of a call of the policy: on a CPU a row more is a call more, an accelerator computes 32 as fast as one."""
    return 1 if jax.default_backend() == "cpu" else 32


class LoadedModels(NamedTuple):
    """The trained models that a decoder uses."""

    networks: Networks
    arrays: ModelArrays


def load_models(run_dir: Path | str, decoder: Decoder) -> LoadedModels:
    """Loads what `decoder` needs of a run, and what it can use besides where that is there.

    Raises:
        CheckpointError: a stage is missing or damaged, or stages do not belong together.
        ValueError: the decoder is certified, and nothing of the tokenizer's code can be; or it acts by another kind of
            head than the policy has.
    """
    policy = load_policy(run_dir)
    if isinstance(decoder, L1Regression) and not isinstance(policy.network.head, decoder.heads):
        raise ValueError(
            f"decoder={decoder.name} acts by a {decoder.heads[0].__name__}, and the policy of {run_dir} has a "
            f"{type(policy.network.head).__name__}: two_step_regression is for policies that were "
            "trained with model.learns=two_steps (configs/policy.py), l1_regression for the others"
        )
    if "rfsq" not in decoder.stages:
        return LoadedModels(Networks(policy), ModelArrays(policy.variables))

    def uses(stage: str) -> bool:
        is_there = StageCheckpoints(Path(run_dir) / stage).find("best") is not None
        return stage in decoder.stages or (stage in decoder.optional_stages and is_there)

    tokenizer = load_tokenizer(run_dir)
    draft = load_draft(run_dir, tokenizer.token_hash, policy) if uses("draft") else None
    main = load_main_head(run_dir, tokenizer.token_hash, policy)
    draft_policy = load_draft_policy(run_dir, policy) if "draft_policy" in decoder.stages else None
    confidence = load_confidence(run_dir, draft_policy) if draft_policy and uses("confidence") else None
    early_exit = load_early_exit(run_dir, policy) if "early_exit" in decoder.stages else None
    return LoadedModels(
        Networks(
            policy,
            draft.model if draft else None,
            main.model,
            draft_policy,
            confidence.model if confidence else None,
            early_exit.policy if early_exit else None,
        ),
        ModelArrays(
            policy=policy.variables,
            tokenizer=tokenizer,
            informative=tokenizer.informative,
            draft=draft.params if draft else None,
            main=main.params,
            draft_policy=draft_policy.variables if draft_policy else None,
            confidence=confidence.params if confidence else None,
            early_exit=early_exit.params if early_exit else None,
            certificate=make_certificate(tokenizer) if isinstance(decoder, Certified) else None,
        ),
    )


class CompiledPolicy:
    """A trained policy with one decoder, compiled at its first call (implements `Policy`)."""

    decoder: str
    batch_size: int

    def __init__(self, decoder: Decoder, models: LoadedModels, batch_size: int = 1) -> None:
        """Compiles nothing yet.

        Args:
            decoder: which of the decoders, with its settings.
            models: what it uses (`load_models`).
            batch_size: rows of `act_batch`.

        Raises:
            ValueError: `batch_size` is below 1, or no observation meets the policy's needs.
        """
        if batch_size < 1:
            raise ValueError(f"policy_batch={batch_size} must be at least 1: the rows of one call of the policy.")
        self.decoder, self.batch_size = decoder.name, batch_size
        self._decoder, self._models = decoder, models
        self._needs = check_needs(models.networks.policy.observation_needs)
        arrays, start = EmbeddedArrays(models.arrays), decoder.initial_state(Models(*models))

        def call(size: int) -> CompiledCall:
            return CompiledCall(decoder, models.networks, arrays, start, size)

        self._one = call(1)
        self._batch = self._one if batch_size == 1 else call(batch_size)

    @classmethod
    def load(
        cls,
        run_dir: Path | str = PRETRAINED,
        decoder: str = "speculative_greedy",
        batch_size: int = 1,
        settings: str = "",
    ) -> "CompiledPolicy":
        """Loads what a run has trained.

        Args:
            run_dir: the run's folder; by default the checkpoint that ships with the project.
            decoder: a name of `eval_bridge.policies.decoders.DECODERS`.
            batch_size: rows of `act_batch`.
            settings: of the decoder (`read_decoder`).

        Raises:
            ValueError: no decoder is called `decoder` or has these settings, or `batch_size` is below 1.
            CheckpointError: a stage is missing or damaged, or stages do not belong together.
        """
        made = read_decoder(decoder, settings)
        return cls(made, load_models(run_dir, made), batch_size)

    @property
    def observation_needs(self) -> ObservationNeeds:
        """What its observations must hold."""
        return self._needs

    def act(self, observation: Observation) -> PolicyOutput:
        """Decides on the first chunk of an episode, at batch 1; `PolicyEpisode` goes on. The first call compiles."""
        chunk, _ = self._one({0: self._first_request(observation)})[0]
        return _output(chunk)

    def act_batch(self, requests: Mapping[int, PolicyRequest], asked: bool = True) -> dict[int, PolicyAnswer]:
        """Answers up to `batch_size` requests by one call of that shape. The first call compiles.

        Args:
            requests: row -> request. The other rows compute on zeros, and are dropped.
            asked: of `CompiledCall`; False to time a call that skips the main backbone.

        Raises:
            ValueError: no request, a row that is not in 0 .. batch_size - 1, or an observation of other shapes.
        """
        if not requests or not set(requests) <= set(range(self.batch_size)):
            raise ValueError(f"rows={sorted(requests)} must be at least one of 0 to {self.batch_size - 1}.")
        answers = self._batch(requests, asked)
        return {row: PolicyAnswer(_output(chunk), state) for row, (chunk, state) in answers.items()}

    def check_instruction(self, instruction: str) -> None:
        """Raises ValueError where the backbone cannot take an instruction."""
        self._models.networks.policy.backbone.encode_instruction(instruction)

    def preprocess(self, requests: Mapping[int, PolicyRequest]) -> PolicyInputs:
        """Requests of `batch_size` rows as the backbone takes them, on the device."""
        return self._batch.preprocess(requests)

    def lower(self, sharding: Sharding) -> Lowered:
        """The call of one row, `act`, for another device, of which `sharding` is."""
        return self._one.lower(sharding)

    def stage_functions(self, observation: Observation) -> dict[str, Callable[[], object]]:
        """The fused call and its parts, each compiled separately and given the true output of the part before.

        An episode's first call of a cascade looks; `SKIPPED_STAGE` is the same program without.
        """
        request = {0: self._first_request(observation)}

        def preprocess() -> PolicyInputs:
            return self._one.preprocess(request)

        calls: dict[str, Callable[[], object]] = {
            FUSED_STAGE: lambda: self.act(observation),
            "preprocess": preprocess,
            **part_functions(self._decoder, *self._models, preprocess()),
        }
        if isinstance(self._decoder, CascadeDecoder) and not self._decoder.shadow:
            calls[SKIPPED_STAGE] = lambda: self._one(request, asked=False)
        return calls

    def _first_request(self, observation: Observation) -> PolicyRequest:
        return PolicyRequest(select_observation(observation, self._needs), _SOME_EPISODE)


def _output(chunk: DecodedChunks) -> PolicyOutput:
    """One row's chunk, on the host."""
    return PolicyOutput(
        actions=np.asarray(chunk.actions),
        rounds=int(chunk.rounds),
        accepted=np.asarray(chunk.acceptance.accepted),
        proposed=np.asarray(chunk.acceptance.proposed),
        first_run=np.asarray(chunk.acceptance.first_run),
        looked=bool(chunk.looked),
        shadow=None if chunk.shadow is None else ShadowOutput(*map(np.asarray, chunk.shadow)),
    )
