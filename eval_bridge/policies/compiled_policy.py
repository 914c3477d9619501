"""Backbone, heads and decoder as one compiled function, from observations to actions."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int, Key, UInt32
from numpy.typing import NDArray

from eval_bridge.observations import Observation
from eval_bridge.policies.decoder_models import ModelArrays, Models, Networks
from eval_bridge.policies.decoders import Certified, DecodedChunks, Decoder, make_decoder
from eval_bridge.policies.host_batch import HostBatch
from eval_bridge.policies.interface import PolicyAnswer, PolicyOutput, PolicyRequest
from eval_bridge.policies.observation_needs import check_needs, reduce_observation
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.policies.stage_timing import part_functions
from rsd_jax.array_types import PyTree, typecheck
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.checkpoints import StageCheckpoints
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.rfsq import make_certificate
from rsd_jax.stored_models import load_draft, load_main_head, load_policy, load_tokenizer


def default_policy_batch() -> int:
    """Rows of a call of the policy: on a CPU a row more is a call more, an accelerator computes 32 as fast as one."""
    return 1 if jax.default_backend() == "cpu" else 32


@typecheck
def row_keys(episodes: UInt32[Array, "B 2"], calls: Int[Array, "B"]) -> Key[Array, "B"]:
    """The random key of each row: its episode's, folded with the number of the call within the episode."""
    keys = jax.random.wrap_key_data(episodes, impl="threefry2x32")
    return jax.vmap(jax.random.fold_in)(keys, calls)


class LoadedModels(NamedTuple):
    """The trained models that a decoder uses."""

    networks: Networks
    arrays: ModelArrays


def load_models(run_dir: Path | str, decoder: Decoder) -> LoadedModels:
    """Loads what `decoder` needs of a run, and what it can use besides where that is there.

    Raises:
        CheckpointError: a stage is missing or damaged, or stages do not belong together.
        ValueError: the decoder is certified, and nothing of the tokenizer's code can be.
    """
    policy = load_policy(run_dir)
    if "rfsq" not in decoder.stages:
        return LoadedModels(Networks(policy), ModelArrays(policy.variables))
    is_there = StageCheckpoints(Path(run_dir) / "draft").find("best") is not None
    with_draft = "draft" in decoder.stages or ("draft" in decoder.optional_stages and is_there)
    tokenizer = load_tokenizer(run_dir)
    draft = load_draft(run_dir, tokenizer.token_hash, policy) if with_draft else None
    main = load_main_head(run_dir, tokenizer.token_hash, policy)
    return LoadedModels(
        Networks(policy, draft.model if draft else None, main.model),
        ModelArrays(
            policy=policy.variables,
            tokenizer=tokenizer,
            informative=tokenizer.informative,
            draft=draft.params if draft else None,
            main=main.params,
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
        self._backbone = models.networks.policy.backbone
        self._batch, self._one = HostBatch(batch_size, self._backbone), HostBatch(1, self._backbone)
        # One flat tuple: a nested tree of a few hundred arrays is taken apart anew at every call.
        leaves, tree = jax.tree.flatten(models.arrays)
        self._leaves = tuple(leaves)

        def decide(
            leaves: tuple[jax.Array, ...], inputs: PolicyInputs, state: PyTree, episodes: jax.Array, calls: jax.Array
        ) -> tuple[DecodedChunks, PyTree]:
            bound = Models(models.networks, jax.tree.unflatten(tree, leaves))
            return decoder.decode(bound, inputs, None, state, row_keys(episodes, calls))

        self._decide = jax.jit(decide)

    @classmethod
    def load(
        cls, run_dir: Path | str = PRETRAINED, decoder: str = "speculative_greedy", batch_size: int = 1
    ) -> "CompiledPolicy":
        """Loads what a run has trained.

        Args:
            run_dir: the run's folder; by default the checkpoint that ships with the project.
            decoder: a name of `eval_bridge.policies.decoders.DECODERS`.
            batch_size: rows of `act_batch`.

        Raises:
            ValueError: no decoder is called `decoder`, or `batch_size` is below 1.
            CheckpointError: a stage is missing or damaged, or stages do not belong together.
        """
        made = make_decoder(decoder)
        return cls(made, load_models(run_dir, made), batch_size)

    @property
    def observation_needs(self) -> ObservationNeeds:
        """What its observations must hold."""
        return self._needs

    def act(self, observation: Observation) -> PolicyOutput:
        """Decides on the first chunk of an episode, at batch 1; `PolicyEpisode` goes on. The first call compiles."""
        request = PolicyRequest(reduce_observation(observation, self._needs), episode_key(0, 0, 0))
        chunks, _ = self._answer(self._one, {0: request})
        return _output(chunks, 0)

    def act_batch(self, requests: Mapping[int, PolicyRequest]) -> dict[int, PolicyAnswer]:
        """Answers up to `batch_size` requests by one call of that shape. The first call compiles.

        Args:
            requests: row -> request. The other rows compute on what they held last, and are dropped.

        Raises:
            ValueError: no request, a row that is not in 0 .. batch_size - 1, or an observation of other shapes.
        """
        if not requests or not set(requests) <= set(range(self.batch_size)):
            raise ValueError(f"rows={sorted(requests)} must be at least one of 0 to {self.batch_size - 1}.")
        chunks, states = self._answer(self._batch, requests)
        return {
            row: PolicyAnswer(_output(chunks, row), jax.tree.map(lambda array, row=row: array[row], states))
            for row in requests
        }

    def stage_functions(self, observation: Observation) -> dict[str, Callable[[], object]]:
        """The fused call and its parts, each compiled separately and given the true output of the part before."""
        batch = HostBatch(1, self._backbone)

        def preprocess() -> PolicyInputs:
            batch.write(0, reduce_observation(observation, self._needs))
            return jax.device_put(batch.inputs)

        return {
            "chunk": lambda: self.act(observation),
            "preprocess": preprocess,
            **part_functions(self._decoder, *self._models, preprocess()),
        }

    def _answer(self, batch: HostBatch, requests: Mapping[int, PolicyRequest]) -> tuple[DecodedChunks, PyTree]:
        """The compiled call, its result on the host: when it returns, `batch` may be written again."""
        size = len(batch.inputs.images)
        episodes: NDArray[np.uint32] = np.zeros((size, 2), np.uint32)
        calls: NDArray[np.int32] = np.zeros(size, np.int32)
        states: list[Any] = [self._decoder.initial_state()] * size
        for row, (observation, episode, call, state) in requests.items():
            batch.write(row, observation)
            episodes[row], calls[row] = episode, call
            if state is not None:
                states[row] = state
        stacked = jax.tree.map(lambda *rows: np.stack(rows), *states)
        return jax.device_get(self._decide(self._leaves, batch.inputs, stacked, episodes, calls))


def _output(chunks: DecodedChunks, row: int) -> PolicyOutput:
    """One row of chunks that are on the host."""
    return PolicyOutput(
        actions=np.asarray(chunks.actions[row]),
        rounds=int(chunks.rounds[row]),
        accepted=np.asarray(chunks.acceptance.accepted[row]),
        proposed=np.asarray(chunks.acceptance.proposed[row]),
        first_run=np.asarray(chunks.acceptance.first_run[row]),
    )
