"""The decoders, as values in one registry: what each needs, and how it turns observations into chunks."""

import ast
import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import jax
import jax.numpy as jnp
from beartype.door import is_bearable
from jaxtyping import Array, Bool

from eval_bridge.policies.cascade import Cascade
from eval_bridge.policies.decoder_interface import DecodedChunks, Decoder
from eval_bridge.policies.decoder_models import DecoderFeatures, Models
from eval_bridge.policies.early_exit import EarlyExit
from eval_bridge.policies.straight_line import written_out
from rsd_jax.array_types import Actions, Features, PyTree
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.decoding import (
    AcceptanceCounts,
    CodeShape,
    DecodeResult,
    GivenTokens,
    LosslessSampling,
    autoregressive,
    fixed_point,
    one_pass,
    speculative,
    speculative_greedy,
)
from rsd_jax.decoding.interface import check_draft_layers
from rsd_jax.decoding.rules import Certified as CertifiedRule
from rsd_jax.heads.action_heads import ActionHeadConfig
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.heads.residual_regression_head import ResidualRegressionConfig
from rsd_jax.heads.two_step_head import TwoStepConfig
from rsd_jax.registry import Registry


@dataclass(frozen=True)
class L1Regression:
    """The L1 teacher's actions, without tokens (a `Decoder`).

    Attributes:
        heads: the kinds of action heads by which it acts.
    """

    name: ClassVar[str] = "l1_regression"
    heads: ClassVar[tuple[type[ActionHeadConfig], ...]] = (RegressionConfig, ResidualRegressionConfig)
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
            raise ValueError(f"given must be None: {self.name} decodes no tokens")
        actions = models.teacher_actions(models.features(inputs))
        rows = len(actions)
        no_tokens, no_runs = jnp.zeros((rows, 0, 0), jnp.int32), jnp.zeros((rows, 0), jnp.int32)
        counts = AcceptanceCounts(no_tokens, no_tokens, no_runs)
        return DecodedChunks(actions, jnp.zeros(rows, jnp.int32), counts, jnp.ones(rows, bool)), state


@dataclass(frozen=True)
class TwoStepRegression(L1Regression):
    """The actions of a policy that regresses in two steps, likewise (a `Decoder`)."""

    name: ClassVar[str] = "two_step_regression"
    heads: ClassVar[tuple[type[ActionHeadConfig], ...]] = (TwoStepConfig,)


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
        return self.chunks(models, self.find_tokens(models, models.features(inputs), given, keys)), state

    def find_tokens(
        self, models: Models, features: Features, given: GivenTokens | None = None, keys: jax.Array | None = None
    ) -> DecodeResult:
        """The tokens of a chunk a row, from features ``[B, C, F]``; without `keys` by the same ones at every call."""
        keys = jax.random.split(jax.random.key(0), len(features)) if keys is None else keys
        return self.search(models, models.prepare(features), len(features), given, keys)

    def search(
        self, models: Models, prepared: DecoderFeatures, batch_size: int, given: GivenTokens | None, keys: jax.Array
    ) -> DecodeResult:
        """The pure decoder with this one's settings."""
        raise NotImplementedError

    def chunks(self, models: Models, result: DecodeResult) -> DecodedChunks:
        """What is told of the tokens that were found."""
        looked = jnp.ones(len(result.tokens), bool)
        return DecodedChunks(self.actions(models, result), result.rounds, result.acceptance, looked)

    def actions(self, models: Models, result: DecodeResult) -> Actions:
        """What is executed, in the environment's units."""
        return models.detokenize(result.tokens)


@dataclass(frozen=True)
class Autoregressive(TokenDecoder):
    """The main head's greedy tokens, layer by layer (a `Decoder`).

    Attributes:
        unrolled: whether each layer's pass knows its layer while it is compiled; False is a loop over positions.
    """

    unrolled: bool = True

    name: ClassVar[str] = "autoregressive"
    stages: ClassVar[tuple[str, ...]] = ("rfsq", "policy", "main_head")
    # For single passes of the cost model, and the shape of its counts, which are zeros.
    optional_stages: ClassVar[tuple[str, ...]] = ("draft",)

    def search(
        self, models: Models, prepared: DecoderFeatures, batch_size: int, given: GivenTokens | None, keys: jax.Array
    ) -> DecodeResult:
        """`rsd_jax.decoding.autoregressive`."""
        return autoregressive(prepared, models.main, models.code_shape, batch_size, given, unrolled=self.unrolled)


@dataclass(frozen=True)
class FixedPoint(TokenDecoder):
    """The same tokens, from the main head's own estimate by repeated passes over all layers (a `Decoder`).

    Attributes:
        unrolled_passes: passes written out one after the other, which always run (see `written_out`).
    """

    unrolled_passes: int | None = None

    name: ClassVar[str] = "fixed_point"
    stages: ClassVar[tuple[str, ...]] = ("rfsq", "policy", "main_head")
    optional_stages: ClassVar[tuple[str, ...]] = ("draft",)

    def search(
        self, models: Models, prepared: DecoderFeatures, batch_size: int, given: GivenTokens | None, keys: jax.Array
    ) -> DecodeResult:
        """`rsd_jax.decoding.fixed_point`."""
        guess, passes = models.guess(prepared), written_out(self.unrolled_passes, 2)
        return fixed_point(
            prepared, models.main, models.code_shape, batch_size, given, guess=guess, unrolled_passes=passes
        )


@dataclass(frozen=True)
class OnePass(TokenDecoder):
    """The main head's digits given its own estimate, all layers scored once (a `Decoder`): tokens without depth."""

    name: ClassVar[str] = "one_pass"
    stages: ClassVar[tuple[str, ...]] = ("rfsq", "policy", "main_head")
    optional_stages: ClassVar[tuple[str, ...]] = ("draft",)

    def search(
        self, models: Models, prepared: DecoderFeatures, batch_size: int, given: GivenTokens | None, keys: jax.Array
    ) -> DecodeResult:
        """`rsd_jax.decoding.one_pass`."""
        return one_pass(prepared, models.main, models.code_shape, batch_size, models.guess(prepared), given)


class DraftingDecoder(TokenDecoder):
    """Decoders that a draft model proposes tokens to."""

    stages: ClassVar[tuple[str, ...]] = ("rfsq", "policy", "draft", "main_head")
    optional_stages: ClassVar[tuple[str, ...]] = ()

    draft_layers: int | None
    unrolled_passes: int | None

    def code_shape(self, models: Models) -> CodeShape:
        """The code, of which this decoder drafts so many layers.

        Raises:
            ValueError: there are not so many layers.
        """
        shape = models.code_shape
        if self.draft_layers is None:
            return shape
        check_draft_layers(self.draft_layers, shape.num_layers)
        return shape._replace(draft_layers=self.draft_layers)

    def rounds_written_out(self, shape: CodeShape) -> int:
        """On accelerators one more than it takes where every draft is accepted."""
        return written_out(self.unrolled_passes, -(-shape.num_layers // (shape.draft_layers + 1)) + 1)


@dataclass(frozen=True)
class SpeculativeGreedy(DraftingDecoder):
    """The same tokens, drafted and verified several layers at a time (a `Decoder`).

    Attributes:
        unrolled_passes: rounds written out one after the other, which always run (see `written_out`).
        scores_all_layers: whether the main head scores the whole code in every round.
        draft_layers: layers proposed a round; None for as many as the draft model learned to.
    """

    unrolled_passes: int | None = None
    scores_all_layers: bool = True
    draft_layers: int | None = None

    name: ClassVar[str] = "speculative_greedy"

    def search(
        self, models: Models, prepared: DecoderFeatures, batch_size: int, given: GivenTokens | None, keys: jax.Array
    ) -> DecodeResult:
        """`rsd_jax.decoding.speculative_greedy`."""
        shape = self.code_shape(models)
        functions = prepared, models.draft, models.main, shape, batch_size, given
        return speculative_greedy(*functions, self.rounds_written_out(shape), self.scores_all_layers)


@dataclass(frozen=True)
class SpeculativeSampling(DraftingDecoder):
    """Tokens drawn from the main head's distribution, drafted and verified several layers at a time (a `Decoder`).

    Attributes:
        temperature: by which logits are divided. top_k: how many of a digit's levels can be drawn; None for all.
        unrolled_passes: rounds written out one after the other, which always run (see `written_out`).
        draft_layers: layers proposed a round; None for as many as the draft model learned to.
    """

    temperature: float = 1.0
    top_k: int | None = None
    unrolled_passes: int | None = None
    draft_layers: int | None = None

    name: ClassVar[str] = "speculative_sampling"

    def search(
        self, models: Models, prepared: DecoderFeatures, batch_size: int, given: GivenTokens | None, keys: jax.Array
    ) -> DecodeResult:
        """`rsd_jax.decoding.speculative` with the rule `LosslessSampling`."""
        rule, shape = LosslessSampling(self.temperature, self.top_k), self.code_shape(models)
        functions = prepared, models.draft, models.main, rule, shape, batch_size, given, keys
        return speculative(*functions, unrolled_passes=self.rounds_written_out(shape))


@dataclass(frozen=True)
class Certified(DraftingDecoder):
    """Tokens whose actions lie no further than a tolerance from those of `Autoregressive` (a `Decoder`).

    Attributes:
        epsilon: in half-ranges of the normalizer, for all motion dimensions or for each; 0.02 is 1 % of every range.
        unrolled_passes: rounds written out one after the other, which always run (see `written_out`).
        draft_layers: layers proposed a round; None for as many as the draft model learned to.
    """

    epsilon: float | tuple[float, ...] = 0.02
    unrolled_passes: int | None = None
    draft_layers: int | None = None

    name: ClassVar[str] = "certified"

    def search(
        self, models: Models, prepared: DecoderFeatures, batch_size: int, given: GivenTokens | None, keys: jax.Array
    ) -> DecodeResult:
        """`rsd_jax.decoding.speculative` with the rule of the same name."""
        rule, certificate, shape = CertifiedRule(self.epsilon), models.certificate, self.code_shape(models)
        functions = prepared, models.draft, models.main, rule, shape, batch_size, given
        passes = written_out(self.unrolled_passes, 2)
        return speculative(*functions, certificate=certificate, unrolled_passes=passes)

    def actions(self, models: Models, result: DecodeResult) -> Actions:
        """Decoded from the layers that were, in each column."""
        return models.detokenize_to(result.tokens, result.depth)


_KINDS = (
    L1Regression,
    TwoStepRegression,
    Autoregressive,
    SpeculativeGreedy,
    FixedPoint,
    OnePass,
    SpeculativeSampling,
    Certified,
    Cascade,
    EarlyExit,
)

DECODERS = Registry("decoder", "name", {kind.name: kind for kind in _KINDS})
"""Every decoder by name."""

LOSSLESS = (SpeculativeGreedy(), FixedPoint())
"""Decoders that find exactly the tokens of `Autoregressive`."""


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
        ValueError: no decoder is called so, it has no such setting, one is given twice, or a value is none of the
            setting's type.
    """
    fields = {field.name: field for field in dataclasses.fields(DECODERS.kinds[check_decoder(name)])}
    values: dict[str, object] = {}
    for part in settings.split():
        key, equals, text = part.partition("=")
        if key not in fields or not equals:
            known = ", ".join(fields) or "none"
            raise ValueError(f"decoder_settings has {part!r}: {name} takes NAME=VALUE of these settings: {known}.")
        if key in values:
            raise ValueError(f"decoder_settings={settings!r} gives {key} twice: leave one of them out")
        value, kind = _value(text), cast(Any, fields[key].type)
        if type(value) is int and not is_bearable(value, kind):
            value = float(value)
        if not is_bearable(value, kind):
            raise ValueError(
                f"decoder_settings has {part!r}: {key} is of type {getattr(kind, '__name__', kind)}, as in "
                f"{key}={fields[key].default}."
            )
        values[key] = value
    return make_decoder(name, **values)


def _value(text: str) -> object:
    """Numbers, tuples, ``None`` and truth values as Python writes them, or ``true`` and ``false``; else the word."""
    try:
        return ast.literal_eval(text.capitalize() if text in ("true", "false") else text)
    except (ValueError, SyntaxError):
        return text


def stages_of_decoder(name: str) -> tuple[str, ...]:
    """The training stages whose checkpoints decide what the decoder called `name` does; raises as `check_decoder`."""
    return make_decoder(name).stages
