"""The decoders, as values in one registry: what each needs, and how it turns observations into chunks."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from eval_bridge.policies.cascade import Cascade
from eval_bridge.policies.decoder_interface import DecodedChunks, Decoder
from eval_bridge.policies.decoder_models import DecoderFeatures, Models
from rsd_jax.array_types import Features, PyTree
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.decoding import AcceptanceCounts, DecodeResult, GivenTokens, autoregressive, speculative_greedy
from rsd_jax.registry import Registry


@dataclass(frozen=True)
class L1Regression:
    """The L1 teacher's actions, without tokens (a `Decoder`)."""

    name: ClassVar[str] = "l1_regression"
    stages: ClassVar[tuple[str, ...]] = ("policy",)
    optional_stages: ClassVar[tuple[str, ...]] = ()

    def initial_state(self, models: Models) -> PyTree:
        """Nothing."""
        return ()

    def decode(
        self,
        models: Models,
        inputs: PolicyInputs,
        given: GivenTokens | None,
        state: PyTree,
        keys: jax.Array,
        asked: Bool[Array, "B"],
    ) -> tuple[DecodedChunks, PyTree]:
        """See `Decoder`."""
        if given is not None:
            raise ValueError("given must be None: l1_regression decodes no tokens")
        actions = models.teacher_actions(models.features(inputs))
        rows = len(actions)
        no_tokens, no_runs = jnp.zeros((rows, 0, 0), jnp.int32), jnp.zeros((rows, 0), jnp.int32)
        counts = AcceptanceCounts(no_tokens, no_tokens, no_runs)
        return DecodedChunks(actions, jnp.zeros(rows, jnp.int32), counts, jnp.ones(rows, bool)), state


class TokenDecoder:
    """What decoders of tokens on finished features have in common; each says how it finds the tokens."""

    def initial_state(self, models: Models) -> PyTree:
        """Nothing."""
        return ()

    def decode(
        self,
        models: Models,
        inputs: PolicyInputs,
        given: GivenTokens | None,
        state: PyTree,
        keys: jax.Array,
        asked: Bool[Array, "B"],
    ) -> tuple[DecodedChunks, PyTree]:
        """See `Decoder`."""
        result = self.find_tokens(models, models.features(inputs), given)
        looked = jnp.ones(len(result.rounds), bool)
        return DecodedChunks(models.detokenize(result.tokens), result.rounds, result.acceptance, looked), state

    def find_tokens(self, models: Models, features: Features, given: GivenTokens | None = None) -> DecodeResult:
        """The tokens of a chunk a row, from features ``[B, C, F]``."""
        return self.search(models, models.prepare(features), len(features), given)

    def search(
        self, models: Models, prepared: DecoderFeatures, batch_size: int, given: GivenTokens | None
    ) -> DecodeResult:
        """The pure decoder with this one's settings."""
        raise NotImplementedError


@dataclass(frozen=True)
class Autoregressive(TokenDecoder):
    """The main head's greedy tokens, layer by layer (a `Decoder`)."""

    name: ClassVar[str] = "autoregressive"
    stages: ClassVar[tuple[str, ...]] = ("rfsq", "policy", "main_head")
    # For single passes of the cost model, and the shape of its counts, which are zeros.
    optional_stages: ClassVar[tuple[str, ...]] = ("draft",)

    def search(
        self, models: Models, prepared: DecoderFeatures, batch_size: int, given: GivenTokens | None
    ) -> DecodeResult:
        """`rsd_jax.decoding.autoregressive`."""
        return autoregressive(prepared, models.main, models.code_shape, batch_size, given)


@dataclass(frozen=True)
class SpeculativeGreedy(TokenDecoder):
    """The same tokens, drafted and verified several layers at a time (a `Decoder`)."""

    name: ClassVar[str] = "speculative_greedy"
    stages: ClassVar[tuple[str, ...]] = ("rfsq", "policy", "draft", "main_head")
    optional_stages: ClassVar[tuple[str, ...]] = ()

    def search(
        self, models: Models, prepared: DecoderFeatures, batch_size: int, given: GivenTokens | None
    ) -> DecodeResult:
        """`rsd_jax.decoding.speculative_greedy`."""
        return speculative_greedy(prepared, models.draft, models.main, models.code_shape, batch_size, given)


DECODERS = Registry(
    "decoder", "name", {kind.name: kind for kind in (L1Regression, Autoregressive, SpeculativeGreedy, Cascade)}
)
"""Every decoder by name."""

LOSSLESS = (SpeculativeGreedy(),)
"""Decoders that find exactly the tokens of `Autoregressive`."""


_BOOLEANS = {"True": True, "true": True, "False": False, "false": False}


def check_decoder(name: str) -> str:
    """Returns `name` if a decoder has it.

    Raises:
        ValueError: no decoder is called so; the message lists those that exist.
    """
    if name not in DECODERS.kinds:
        raise ValueError(f"decoder={name!r} is not a decoder; choose one of {', '.join(DECODERS.kinds)}.")
    return name


def make_decoder(name: str, **settings: object) -> Decoder:
    """The decoder called `name`, with these settings.

    Raises:
        ValueError: no decoder is called so, or it has no such setting.
    """
    decoder: Decoder = DECODERS.make(check_decoder(name), settings)
    return decoder


def read_decoder(name: str, settings: str = "") -> Decoder:
    """The decoder called `name` with settings as a configuration writes them: ``"rule=both tolerance=0.1"``.

    Raises:
        ValueError: no decoder is called so, it has no such setting, or a value is none of the setting's type.
    """
    kind = DECODERS.kinds[check_decoder(name)]
    defaults: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(kind)}
    types = {key: type(default) for key, default in defaults.items()}
    values: dict[str, object] = {}
    for part in settings.split():
        key, equals, text = part.partition("=")
        if key not in types or not equals:
            known = ", ".join(types) or "none"
            raise ValueError(f"decoder_settings has {part!r}: {name} takes NAME=VALUE of these settings: {known}.")
        try:
            values[key] = _BOOLEANS[text] if types[key] is bool else types[key](text)
        except (ValueError, KeyError) as error:
            raise ValueError(
                f"decoder_settings has {part!r}: {key} is of type {types[key].__name__}, as in {key}={defaults[key]}."
            ) from error
    return make_decoder(name, **values)


def stages_of_decoder(name: str) -> tuple[str, ...]:
    """The training stages whose checkpoints decide what the decoder called `name` does; raises as `check_decoder`."""
    return make_decoder(name).stages
