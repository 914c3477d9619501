"""The cascade: a draft policy that sees for itself acts wherever a rule lets it, and the main policy looks elsewhere.

At every call the draft policy proposes the tokens of a whole chunk. A rule that needs no look of the main backbone at
this frame (`rsd_jax.decoding.skip_rules`) decides whether to act on them; else the main backbone runs, and what is
acted on is the main model's own. Rows of a batch act by their own rule and share the computation: the main backbone
runs for all where any row must look, and for none otherwise.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from eval_bridge.policies.decoder_interface import DecodedChunks, Shadow
from eval_bridge.policies.decoder_models import Models
from rsd_jax.actions.normalizer import GRIPPER
from rsd_jax.array_types import Actions, Tokens
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.decoding import GivenTokens, autoregressive
from rsd_jax.decoding.acceptance import no_drafts
from rsd_jax.decoding.skip_rules import (
    Agreement,
    AgreementAndConfidence,
    Confidence,
    SkipEvidence,
    SkipRule,
    SkipState,
    must_look,
    next_state,
)

CASCADE = "cascade"
"""Name of the decoder."""

RULES = ("agreement", "confidence", "both")
"""Names of `Agreement`, `Confidence` and `AgreementAndConfidence` in settings."""


class Foresight(NamedTuple):
    """What the main model finds when it looks: tokens of the chunk to act on and those behind it, and its passes."""

    tokens: Int[Array, "B N C D L"]
    rounds: Int[Array, "B"]


class CascadeState(NamedTuple):
    """What an episode carries between calls.

    Attributes:
        foreseen: tokens of the main model's last look, ``[.., N, C, D, L]``.
        skip: what rules need besides.
    """

    foreseen: Int[Array, "..."]
    skip: SkipState


@dataclass(frozen=True)
class Cascade:
    """A draft policy's chunk where a rule accepts it, else the main model's greedy tokens (a `Decoder`).

    Attributes:
        rule: one of `RULES`.
        tolerance, threshold: of the rule, in half-ranges (`rsd_jax.decoding.skip_rules`).
        coarse_layers: K, layers that agreement is measured after; the finer ones come from the draft.
        longest_run: calls in a row without a look, at most; 0 looks at every call.
        shadow: run the main model at every call, act as if it had not been, and tell both, to judge rules.

    Raises:
        ValueError: on construction, if there is no such rule or a number is out of range.
    """

    name: ClassVar[str] = CASCADE
    stages: ClassVar[tuple[str, ...]] = ("rfsq", "policy", "main_head", "draft_policy")
    optional_stages: ClassVar[tuple[str, ...]] = ()

    rule: str = "agreement"
    tolerance: float = 0.2
    threshold: float = 0.1
    coarse_layers: int = 3
    longest_run: int = 7
    shadow: bool = False

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"rule={self.rule!r} must be one of {', '.join(RULES)}.")
        for name in ("tolerance", "threshold", "longest_run"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative.")

    @property
    def skip_rule(self) -> SkipRule:
        """The rule with its settings."""
        rules: dict[str, SkipRule] = {
            "agreement": Agreement(self.tolerance),
            "confidence": Confidence(self.threshold),
            "both": AgreementAndConfidence(self.tolerance, self.threshold),
        }
        return rules[self.rule]

    def initial_state(self, models: Models) -> CascadeState:
        """Nothing foreseen; the first call looks."""
        shape = models.code_shape
        columns = (models.networks.policy.backbone.chunks, shape.chunk_length, shape.latent_dim, shape.num_layers)
        start = SkipState(calls_since_look=np.zeros((), np.int32), gripper=np.zeros((), np.float32))  # type: ignore[arg-type]
        return CascadeState(np.zeros(columns, np.int32), start)  # type: ignore[arg-type]  # NumPy in place of JAX

    def decode(
        self,
        models: Models,
        inputs: PolicyInputs,
        given: GivenTokens | None,
        state: CascadeState,
        keys: jax.Array,
        asked: Bool[Array, "B"],
    ) -> tuple[DecodedChunks, CascadeState]:
        """See `Decoder`."""
        if given is not None:
            raise ValueError("given must be None: a cascade's draft is made of no tokens known in advance")
        drafted = models.draft_policy_tokens(inputs)
        evidence = self._evidence(models, drafted, state)
        looks = must_look(self.skip_rule, evidence, state.skip, self.longest_run)
        shape = state.foreseen.shape

        def look() -> Foresight:
            return self.foresee(models, inputs)

        def skip() -> Foresight:
            return Foresight(jnp.zeros(shape, jnp.int32), jnp.zeros(shape[0], jnp.int32))

        seen = look() if self.shadow else jax.lax.cond(jnp.any(looks & asked), look, skip)
        acted = _where(looks, seen.tokens[:, 0], drafted)
        actions = models.detokenize(acted)
        chunks = DecodedChunks(
            actions,
            rounds=jnp.where(looks, seen.rounds, 0),
            acceptance=no_drafts(shape[0], models.code_shape),
            looked=looks,
            shadow=Shadow(drafted, seen.tokens, evidence.distance) if self.shadow else None,
        )
        foreseen = _where(looks, seen.tokens, state.foreseen)
        return chunks, CascadeState(foreseen, next_state(state.skip, looks, actions))

    def foresee(self, models: Models, inputs: PolicyInputs) -> Foresight:
        """A look of the main model: its greedy tokens of the chunk to act on, and those of its estimates behind it."""
        features = models.foreseen_features(inputs)
        rows, chunks = features.shape[:2]
        found = autoregressive(models.prepare(features[:, 0]), models.main, models.code_shape, rows)
        if chunks == 1:
            return Foresight(found.tokens[:, None], found.rounds)
        later = features[:, 1:].reshape(rows * (chunks - 1), *features.shape[2:])
        tokens = models.tokenize(models.teacher_actions(later))
        foreseen = tokens.reshape(rows, chunks - 1, *tokens.shape[1:])
        return Foresight(jnp.concatenate([found.tokens[:, None], foreseen], axis=1), found.rounds)

    def _evidence(self, models: Models, drafted: Tokens, state: CascadeState) -> SkipEvidence:
        chunks = state.foreseen.shape[1]
        now = jnp.minimum(state.skip.calls_since_look, chunks - 1)
        foreseen = jnp.take_along_axis(state.foreseen, now[:, None, None, None, None], axis=1)[:, 0]
        return SkipEvidence(
            drafted=self._coarse(models, drafted),
            foreseen=self._coarse(models, foreseen),
            is_foreseen=(state.skip.calls_since_look > 0) & (state.skip.calls_since_look < chunks),
            distance=jnp.full(len(drafted), jnp.inf),
            gripper=state.skip.gripper,
        )

    def _coarse(self, models: Models, tokens: Tokens) -> Actions:
        """Actions in half-ranges from the coarse layers, the gripper from all."""
        gripper = models.detokenize(tokens)[..., GRIPPER]
        return models.normalize(models.detokenize(tokens, self.coarse_layers)).at[..., GRIPPER].set(gripper)


def _where(rows: jax.Array, yes: jax.Array, no: jax.Array) -> jax.Array:
    """Rows of `yes` where `rows` ``[B]``, else of `no`."""
    return jnp.where(rows.reshape(-1, *(1,) * (yes.ndim - 1)), yes, no)
