"""What decoders have in common that draft before the main backbone has run, and run it only where a rule asks for it.

At every call a draft proposes the tokens of a whole chunk. A rule that needs no look of the main backbone at this
frame (`rsd_jax.decoding.skip_rules`) decides whether to act on them; else the main backbone runs, and what is acted on
is the main model's own. Rows of a batch act by their own rule and share the computation: the main backbone runs for
all where any row must look, and for none otherwise.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from eval_bridge.policies.decoder_interface import DecodedChunks, Shadow
from eval_bridge.policies.decoder_models import DraftProposals, Models
from eval_bridge.policies.straight_line import written_out
from rsd_jax.actions.normalizer import GRIPPER
from rsd_jax.array_types import Actions, PyTree, Tokens
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.decoding import GivenTokens, fixed_point
from rsd_jax.decoding.acceptance import no_drafts
from rsd_jax.decoding.skip_rules import Agreement, SkipEvidence, SkipRule, SkipState, must_look, next_state


class Foresight(NamedTuple):
    """What the main model finds when it looks.

    Attributes:
        tokens: of the chunk to act on and of those behind it.
        features: that a draft may remember of it.
        rounds: passes of the main head.
    """

    tokens: Int[Array, "B N C D L"]
    features: Float[Array, "B S F"]
    rounds: Int[Array, "B"]


class CascadeState(NamedTuple):
    """What an episode carries between calls.

    Attributes:
        foreseen: tokens of the main model's last look, ``[.., N, C, D, L]``.
        remembered: its features of the last look, ``[.., 1, S, F]``; of a watched cascade those of the last H calls,
            the latest first; ``[.., 0, S, F]`` for a draft without a memory.
        skip: what rules need besides.
    """

    foreseen: Int[Array, "..."]
    remembered: Float[Array, "..."]
    skip: SkipState


@dataclass(frozen=True)
class CascadeDecoder:
    """A draft's chunk where a rule accepts it, else the main model's greedy tokens; each kind says what drafts.

    Attributes:
        rule: name of the rule. tolerance: of agreement, in half-ranges (`rsd_jax.decoding.skip_rules`).
        coarse_layers: K, layers that agreement is measured after; the finer ones come from the draft.
        longest_run: calls in a row without a look, at most; 0 looks at every call. None for as many as the draft
            remembers a look, or, if it remembers none, as the main model foresees.
        shadow: watch it: the main model runs at every call, and what the draft would propose is found for every age of
            the last look, while it acts as if neither were; told are both, to judge rules.

    Raises:
        ValueError: on construction, if a number is out of range.
    """

    name: ClassVar[str]

    rule: str = "agreement"
    tolerance: float = 0.2
    coarse_layers: int = 3
    longest_run: int | None = None
    shadow: bool = False

    def __post_init__(self) -> None:
        for name in ("tolerance", "threshold", "longest_run"):
            if (value := getattr(self, name, None)) is not None and not value >= 0:
                raise ValueError(f"{name}={value} must not be negative.")

    @property
    def skip_rule(self) -> SkipRule:
        """The rule with its settings."""
        return Agreement(self.tolerance)

    def begin(self, models: Models, inputs: PolicyInputs) -> PyTree:
        """What draft and look both start from."""
        return inputs

    def propose(self, models: Models, begun: PyTree, state: CascadeState) -> DraftProposals:
        """What is drafted ``[B, 1, ..]``, or of a watched cascade with a memory after each of the last looks."""
        raise NotImplementedError

    def foreseen_features(self, models: Models, begun: PyTree) -> Float[Array, "B N C F"]:
        """What is left of the main backbone, up to its features of every chunk that it foresees."""
        raise NotImplementedError

    def remembered_calls(self, models: Models) -> int | None:
        """Calls for which the draft remembers a look; None where it remembers none."""
        return None

    def initial_state(self, models: Models) -> CascadeState:
        """Nothing foreseen; the first call looks.

        Raises:
            ValueError: the draft does not remember for as long as `longest_run`.
        """
        shape, main = models.code_shape, models.networks.policy.backbone
        remembers, longest_run = self.remembered_calls(models), self._longest_run(models)
        if remembers is not None and longest_run > remembers:
            raise ValueError(
                f"longest_run={longest_run} must be at most {remembers}, the calls for which the draft policy "
                "remembers a look (model.oldest_look of its training)."
            )
        looks = 0 if remembers is None else max(longest_run, 1) if self.shadow else 1
        # NumPy in place of JAX: the state begins on the host.
        foreseen = np.zeros((main.chunks, shape.chunk_length, shape.latent_dim, shape.num_layers), np.int32)
        remembered = np.zeros((looks, main.chunks * main.chunk_length, main.width), np.float32)
        skip = SkipState(np.zeros((), np.int32), np.zeros((), np.float32))  # type: ignore[arg-type]
        return CascadeState(foreseen, remembered, skip)  # type: ignore[arg-type]

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
        rows, age = len(asked), state.skip.calls_since_look
        begun = self.begin(models, inputs)
        proposals = self.propose(models, begun, state)
        mine = jnp.minimum(jnp.maximum(age - 1, 0), proposals.tokens.shape[1] - 1)
        drafted, distance = (_pick(array, mine) for array in proposals)
        evidence = self._evidence(models, drafted, distance, state)
        looks = must_look(self.skip_rule, evidence, state.skip, self._longest_run(models))

        def look() -> Foresight:
            return self.foresee(models, begun)

        def skip() -> Foresight:
            features = jnp.zeros((rows, *state.remembered.shape[2:]), jnp.float32)
            return Foresight(jnp.zeros(state.foreseen.shape, jnp.int32), features, jnp.zeros(rows, jnp.int32))

        seen = look() if self.shadow else jax.lax.cond(jnp.any(looks & asked), look, skip)
        acted = _where(looks, seen.tokens[:, 0], drafted)
        actions = models.detokenize(acted)
        chunks = DecodedChunks(
            actions,
            rounds=jnp.where(looks, seen.rounds, 0),
            acceptance=no_drafts(rows, models.code_shape),
            looked=looks,
            shadow=Shadow(proposals.tokens, seen.tokens, proposals.distance) if self.shadow else None,
        )
        after = CascadeState(
            _where(looks, seen.tokens, state.foreseen),
            self._remember(looks, seen.features, state.remembered),
            next_state(state.skip, looks, actions),
        )
        return chunks, after

    def foresee(self, models: Models, begun: PyTree) -> Foresight:
        """A look of the main model: its greedy tokens of the chunk to act on, and those of its estimates behind it."""
        return self.read(models, self.foreseen_features(models, begun))

    def read(self, models: Models, features: Float[Array, "B N C F"]) -> Foresight:
        """What follows the main backbone in a look."""
        rows, chunks = features.shape[:2]
        prepared = models.prepare(features[:, 0])
        found = fixed_point(
            *(prepared, models.main, models.code_shape, rows),
            guess=models.guess(prepared),
            unrolled_passes=written_out(None, 2),
        )
        later = features[:, 1:].reshape(rows * (chunks - 1), *features.shape[2:])
        behind = models.tokenize(models.teacher_actions(later))
        behind = behind.reshape(rows, chunks - 1, *behind.shape[1:])
        return Foresight(
            tokens=jnp.concatenate([found.tokens[:, None], behind], axis=1),
            features=features.reshape(rows, -1, features.shape[-1]),
            rounds=found.rounds,
        )

    def _longest_run(self, models: Models) -> int:
        if self.longest_run is not None:
            return self.longest_run
        remembers = self.remembered_calls(models)
        return models.networks.policy.backbone.chunks - 1 if remembers is None else remembers

    def _remember(self, looks: jax.Array, features: jax.Array, remembered: jax.Array) -> jax.Array:
        if not remembered.shape[1]:
            return remembered
        if self.shadow:
            return jnp.concatenate([features[:, None], remembered[:, :-1]], axis=1)
        return _where(looks, features[:, None], remembered)

    def _evidence(
        self, models: Models, drafted: Tokens, distance: Float[Array, "B"], state: CascadeState
    ) -> SkipEvidence:
        chunks, age = state.foreseen.shape[1], state.skip.calls_since_look
        return SkipEvidence(
            drafted=self._coarse(models, drafted),
            foreseen=self._coarse(models, _pick(state.foreseen, jnp.minimum(age, chunks - 1))),
            is_foreseen=(age > 0) & (age < chunks),
            distance=distance,
            gripper=state.skip.gripper,
        )

    def _coarse(self, models: Models, tokens: Tokens) -> Actions:
        """Actions in half-ranges from the coarse layers, the gripper from all."""
        gripper = models.detokenize(tokens)[..., GRIPPER]
        return models.normalize(models.detokenize(tokens, self.coarse_layers)).at[..., GRIPPER].set(gripper)


def _pick(choices: jax.Array, chosen: jax.Array) -> jax.Array:
    """Of each row's `choices` ``[B, N, ..]`` the one at index `chosen` ``[B]``."""
    return jax.vmap(lambda array, index: array[index])(choices, chosen)


def _where(rows: jax.Array, yes: jax.Array, no: jax.Array) -> jax.Array:
    """Rows of `yes` where `rows` ``[B]``, else of `no`."""
    return jnp.where(rows.reshape(-1, *(1,) * (yes.ndim - 1)), yes, no)
