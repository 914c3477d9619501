"""A policy that takes promises: its chunks continue the last one where that is executed while they are decoded.

What a chunk is told of the last one are digits (`rsd_jax.decoding.promised_tokens`), which decoders complete. The last
chunk's tokens are the episode's state and never leave the program but as that; a request says how far the episode has
come. A policy without promises is another program, which this one leaves as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Int

from eval_bridge.observations import Observation
from eval_bridge.policies.compiled_policy import CompiledPolicy, load_models
from eval_bridge.policies.decoder_interface import DecodedChunks, Decoder
from eval_bridge.policies.decoder_models import DecoderFeatures, Models
from eval_bridge.policies.decoders import Certified, TokenDecoder, read_decoder
from eval_bridge.policies.interface import PolicyAnswer, PolicyRequest, Promise
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.decoding import DecodeResult, GivenTokens, promised_tokens
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.pretrained import PRETRAINED

NOTHING_PROMISED = Promise(np.int32(0), np.int32(0), np.int32(0))


class RealTimeState(NamedTuple):
    """What an episode carries between calls.

    Attributes:
        tokens: of the last chunk, ``[.., C, D, L]``.
        promise: what is promised of it at this call, whole numbers ``[..]``; a request brings it.
    """

    tokens: Int[Array, "..."]
    promise: Promise


@dataclass(frozen=True)
class PromisedDecoder(TokenDecoder):
    """A decoder of tokens that is given what is promised of the episode's last chunk (a `Decoder`).

    Attributes:
        decoder: completes the digits.
        coarse_layers: layers that are given of the steps that the last chunk planned and no one has executed.
    """

    decoder: TokenDecoder
    coarse_layers: int

    name: ClassVar[str] = "promised"
    stages: ClassVar[tuple[str, ...]] = ()
    optional_stages: ClassVar[tuple[str, ...]] = ()

    def initial_state(self, models: Models) -> RealTimeState:
        """No chunk yet, and nothing promised.

        Raises:
            ValueError: the code does not have so many layers.
        """
        shape = models.code_shape
        if not 0 <= self.coarse_layers <= shape.num_layers:
            raise ValueError(
                f"coarse_layers={self.coarse_layers} must be between 0 and {shape.num_layers}, the layers of the code"
            )
        tokens = np.zeros((shape.chunk_length, shape.latent_dim, shape.num_layers), np.int32)
        return RealTimeState(tokens, NOTHING_PROMISED)  # type: ignore[arg-type]  # on the host

    def decode(
        self,
        models: Models,
        inputs: PolicyInputs,
        given: GivenTokens | None,
        state: RealTimeState,
        keys: jax.Array,
        asked: Bool[Array, "B"],
    ) -> tuple[DecodedChunks, RealTimeState]:
        """See `Decoder`."""
        if given is not None:
            raise ValueError("given must be None: what is given follows from the episode's state")
        promised = promised_tokens(state.tokens, *state.promise, self.coarse_layers)
        result = self.decoder.find_tokens(models, models.features(inputs), promised, keys)
        return self.decoder.chunks(models, result), RealTimeState(result.tokens, state.promise)

    def search(
        self, models: Models, prepared: DecoderFeatures, batch_size: int, given: GivenTokens | None, keys: jax.Array
    ) -> DecodeResult:
        """That of `decoder`, to time it alone."""
        return self.decoder.search(models, prepared, batch_size, given, keys)


class RealTimePolicy:
    """A compiled policy whose calls take promises (implements `Policy`).

    Attributes:
        takes_promises: what sets it apart.
    """

    takes_promises: ClassVar[bool] = True

    decoder: str
    batch_size: int

    def __init__(self, policy: CompiledPolicy, decoder: str) -> None:
        """Of a policy that decodes by a `PromisedDecoder`, whose decoder is called `decoder`."""
        self._policy, self.decoder, self.batch_size = policy, decoder, policy.batch_size

    @classmethod
    def load(
        cls,
        run_dir: Path | str = PRETRAINED,
        decoder: str = "speculative_greedy",
        batch_size: int = 1,
        settings: str = "",
        coarse_layers: int = 3,
    ) -> "RealTimePolicy":
        """Loads what a run has trained; arguments are those of `CompiledPolicy.load`, and the `PromisedDecoder`'s.

        Raises:
            ValueError: also where the decoder does not decode all layers of tokens.
            CheckpointError: a stage is missing or damaged, or stages do not belong together.
        """
        made = read_decoder(decoder, settings)
        promised = PromisedDecoder(completing_decoder(made), coarse_layers)
        return cls(CompiledPolicy(promised, load_models(run_dir, made), batch_size), decoder)

    @property
    def observation_needs(self) -> ObservationNeeds:
        """What its observations must hold."""
        return self._policy.observation_needs

    def act_batch(self, requests: Mapping[int, PolicyRequest]) -> dict[int, PolicyAnswer]:
        """Answers several requests by one call of one shape; raises as `CompiledPolicy.act_batch` does."""
        return self._policy.act_batch({row: _with_promise(request) for row, request in requests.items()})

    def stage_functions(self, observation: Observation) -> dict[str, Callable[[], object]]:
        """Those of `CompiledPolicy`; the fused call is the one that takes promises, with nothing promised."""
        return self._policy.stage_functions(observation)


def completing_decoder(decoder: Decoder) -> TokenDecoder:
    """Returns `decoder` if it completes the digits that it is given, all layers of them.

    Raises:
        ValueError: it does not: without tokens there is nothing to give it, a cascade's draft knows no tokens in
            advance, and of certified tokens some layers are left out.
    """
    if not isinstance(decoder, TokenDecoder) or isinstance(decoder, Certified):
        raise ValueError(
            f"execution=rtc gives the decoder digits to complete, and {decoder.name} takes none: choose "
            "autoregressive, fixed_point, one_pass, speculative_greedy or speculative_sampling, or execution=async"
        )
    return decoder


def _with_promise(request: PolicyRequest) -> PolicyRequest:
    """The request with its promise where the program reads it, in its state; an episode's first has none."""
    if request.state is None:
        return request
    promise = NOTHING_PROMISED if request.promise is None else Promise(*map(np.int32, request.promise))
    return request._replace(state=request.state._replace(promise=promise))
