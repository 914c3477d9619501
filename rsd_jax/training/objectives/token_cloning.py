"""Objective of a policy that learns the demonstrations' own tokens: main head and backbone together."""

from dataclasses import dataclass

import flax.struct
import jax

from rsd_jax.array_types import Features, LayerMask, PyTree, Scalar
from rsd_jax.heads.digit_logits import with_spread
from rsd_jax.heads.main_head import DIGIT_LOGITS, MainHead
from rsd_jax.policy_network import HEAD, MAIN
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning, PolicyConstants
from rsd_jax.training.objectives.digit_prediction import MainTask, digit_errors
from rsd_jax.training.objectives.interface import Variables

_INITIAL_SPREAD = 0.3
"""Error of the estimate that the main head assumes at first, in latent units: that of features that know nothing.

With that of a head on finished features digits would begin at 8 nats each, and teach the backbone little but noise.
"""


@flax.struct.dataclass
class TokenConstants(PolicyConstants):
    """What the loss needs beside the batch, the tokenizer included, with its digits that are not constants."""

    tokenizer: RfsqTokenizer
    informative: LayerMask


@dataclass(frozen=True)
class TokenCloning(BehaviourCloning):
    """The main head's loss on demonstrated tokens (`DigitPrediction`), with the gradient into the backbone.

    Teacher forcing: each digit is named given the true coarser ones. The regression head is a probe: it learns from
    the features that come of it, and gives them no gradient.

    Attributes:
        digit_weight: weight of the digits' cross-entropy against the L1 distance of the latents.
    """

    digit_weight: float = 1.0

    def __post_init__(self) -> None:
        """Checks the name of the type, and that there is a main head for the one chunk that is foreseen."""
        super().__post_init__()
        if self.network.main is None:
            raise ValueError("network.main is None; a policy of tokens needs a main head")
        if self.network.backbone.chunks != 1:
            raise ValueError(
                f"network.backbone.chunks is {self.network.backbone.chunks}; a policy of tokens foresees one chunk: "
                "model.backbone.chunks=1"
            )

    def init(self, key: jax.Array) -> Variables:
        """Draws all networks."""
        params = super().init(key).params
        logits = with_spread(params[MAIN][DIGIT_LOGITS], _INITIAL_SPREAD)
        return Variables(params | {MAIN: {**params[MAIN], DIGIT_LOGITS: logits}}, model_state={})

    @property
    def task(self) -> MainTask:
        """The main head, as its own stage would train it."""
        assert self.network.main is not None
        return MainTask(MainHead(self.network.main))

    def head_loss(
        self,
        params: PyTree,
        frozen: PolicyConstants,
        features: Features,
        batch: dict[str, jax.Array],
        key: jax.Array,
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """See `BehaviourCloning`; `key` draws the layers that are scored."""
        assert isinstance(frozen, TokenConstants)
        probed, metrics = self.regression_loss(self._act(params[HEAD], jax.lax.stop_gradient(features)), batch)
        tokenizer = frozen.tokenizer
        actions = tokenizer.normalizer.denormalize(batch["actions"])
        mask = batch["mask"].astype(bool)
        errors = digit_errors(self.task, params[MAIN], tokenizer, frozen.informative, features, actions, key, mask)
        loss = errors.distance + self.digit_weight * errors.cross_entropy + probed
        return loss, metrics | errors.metrics
