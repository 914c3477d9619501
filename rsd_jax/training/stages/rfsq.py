"""The tokenizer's stage: its data, its objective, and its evaluation on held-out episodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import meta
from numpy.typing import NDArray

from rsd_jax.actions.conventions import DECLARED_RANGE
from rsd_jax.actions.normalizer import GRIPPER, ActionNormalizer
from rsd_jax.array_types import PyTree
from rsd_jax.demos.demo import Demo
from rsd_jax.distributed import hosts
from rsd_jax.rfsq import RfsqTokenizer, make_strategy
from rsd_jax.rfsq.autoencoders import make_autoencoder
from rsd_jax.rfsq.stored_tokenizer import TokenizerFacts
from rsd_jax.rfsq.strategies import describe_strategy
from rsd_jax.stored_models import load_tokenizer
from rsd_jax.stored_models.policy import load_action_range
from rsd_jax.training.demonstrations import Split, action_rows, load_split
from rsd_jax.training.objectives.action_autoencoding import (
    AUTOENCODER,
    QUANTIZER,
    ActionAutoencoding,
    QuantizerState,
)
from rsd_jax.training.objectives.interface import HeldoutEvaluation, Stage, Variables
from rsd_jax.training.objectives.taken_over import TakenOver

ActionRange = Literal["training", "declared", "policy"]
"""What the normalizer's range is taken from."""


@dataclass(frozen=True)
class RfsqSettings:
    """Settings of the tokenizer's stage.

    Attributes:
        chunk_length: C.
        num_layers: L. num_levels: V. latent_dim: D.
        autoencoder: ``kind`` and fields of `rsd_jax.rfsq.autoencoders`.
        quantizer: ``strategy`` and fields of `rsd_jax.rfsq.strategies`, without the three sizes above.
        smallest_half_range: see `ActionNormalizer.from_actions`.
        heldout_every: every how many-th episode of a task is held out.
        action_range: ``training``, the range that no training action exceeds, or ``declared``, that of the environment
            (`DECLARED_RANGE`): nothing that can be executed is clipped then, and cells are as much wider; or
            ``policy``, that of the run's policy, which was there before, with ranges of its own
            (launch.convert_openvla).
    """

    chunk_length: int
    num_layers: int
    num_levels: int
    latent_dim: int
    autoencoder: Mapping[str, Any]
    quantizer: Mapping[str, Any]
    smallest_half_range: float
    heldout_every: int
    action_range: ActionRange = "training"

    def __post_init__(self) -> None:
        """Rejects what no objective can be made of, long before there are demonstrations."""
        if self.action_range not in get_args(ActionRange):
            raise ValueError(
                f"model.action_range is {self.action_range!r}; it must be one of {', '.join(get_args(ActionRange))}"
            )
        self.objective()

    def objective(self) -> ActionAutoencoding:
        """The objective with these settings.

        Raises:
            ValueError: a kind, strategy or field that does not exist, or sizes that do not fit together.
        """
        sizes: dict[str, Any] = {
            "num_layers": self.num_layers,
            "latent_dim": self.latent_dim,
            "num_levels": self.num_levels,
        }
        autoencoder = make_autoencoder(**self.autoencoder)
        if autoencoder.latent_dim != self.latent_dim:
            raise ValueError(
                f"model.autoencoder makes {autoencoder.latent_dim} latents, but model.latent_dim is "
                f"{self.latent_dim}; give both the same"
            )
        return ActionAutoencoding(autoencoder, make_strategy(**self.quantizer, **sizes), self.chunk_length)

    def planned_facts(self) -> dict[str, Any]:
        """All but the normalizer; see `KeepsConstants`."""
        objective = self.objective()
        facts = _facts(objective, _declared(objective.autoencoder.action_dim))
        return {"layout": facts.layout, "quantizer": facts.quantizer}

    def build(self, run_dir: Path) -> Stage:
        """Chunks of all demonstrations of the run, those behind an episode's end left out.

        Raises:
            CheckpointError: the policy's range is asked for, and the run has none.
        """
        of_policy = load_action_range(run_dir) if self.action_range == "policy" else None
        split = load_split(run_dir, self.heldout_every, with_frames=False)
        data = action_data(split, self.chunk_length, self.smallest_half_range, self.action_range, of_policy)
        return rfsq_stage(self.objective(), data)

    def build_from(self, run_dir: Path, source: Path) -> Stage:
        """The tokenizer of `source` as it is, judged on the demonstrations of this run.

        Nothing is learned: its codes are what the weights know that go on with it.
        """
        kept = load_tokenizer(source)
        split = load_split(run_dir, self.heldout_every, with_frames=False)
        data = action_data(split, self.chunk_length, self.smallest_half_range, "policy", kept.normalizer)
        return kept_stage(self.objective(), kept, data)


class ActionData(NamedTuple):
    """Chunks that a tokenizer is trained and judged on, in the dataset's units, ``float32 [N, C, A]``.

    Chunks that reach behind an episode's end are left out.

    Attributes:
        train_labels: the expert's labels of the training episodes, which policies learn.
        train_executed: the same steps as they were executed, with the noise that was injected.
        heldout, heldout_executed: the same of the held-out episodes.
        normalizer: a range that no training action exceeds, label or executed; or the declared one, or a policy's.
    """

    train_labels: NDArray[np.float32]
    train_executed: NDArray[np.float32]
    heldout: NDArray[np.float32]
    heldout_executed: NDArray[np.float32]
    normalizer: ActionNormalizer

    @property
    def train(self) -> NDArray[np.float32]:
        """What tokenizers are trained on: the chunks of both kinds, labels first."""
        return np.concatenate([self.train_labels, self.train_executed])


def action_data(
    split: Split,
    chunk_length: int,
    smallest_half_range: float,
    action_range: ActionRange = "training",
    of_policy: ActionNormalizer | None = None,
) -> ActionData:
    """Chunks of demonstrations, with the range that is asked for; `of_policy` is the policy's."""

    def chunks(demos: Sequence[Demo], source: Literal["labels", "actions"]) -> NDArray[np.float32]:
        rows = action_rows(demos, chunk_length, source)
        return rows.actions[rows.mask.all(axis=1)]

    # Steps of the last, incomplete chunks count for the range: a policy learns and executes them, too.
    steps = np.concatenate([getattr(demo, source) for demo in split.train for source in ("labels", "actions")])
    if action_range == "training":
        normalizer = ActionNormalizer.from_actions(steps, smallest_half_range)
    elif action_range == "declared":
        normalizer = _declared(steps.shape[1])
    else:
        assert of_policy is not None
        normalizer = of_policy
    return ActionData(
        train_labels=chunks(split.train, "labels"),
        train_executed=chunks(split.train, "actions"),
        heldout=chunks(split.heldout, "labels"),
        heldout_executed=chunks(split.heldout, "actions"),
        normalizer=normalizer,
    )


def _declared(action_dim: int) -> ActionNormalizer:
    low, high = (np.full(action_dim, end) for end in DECLARED_RANGE)
    return ActionNormalizer.from_quantiles(low, high)


def rfsq_stage(objective: ActionAutoencoding, data: ActionData) -> Stage:
    """The stage that trains `objective` on `data`."""
    return Stage(
        name="rfsq",
        objective=objective,
        frozen=data.normalizer,
        rows={"actions": data.train},
        evaluate=partial(_evaluate, objective, data),
        best_metric="heldout_token_mse",
        metadata=_facts(objective, data.normalizer).to_json(),
    )


def kept_stage(objective: ActionAutoencoding, kept: RfsqTokenizer, data: ActionData) -> Stage:
    """The stage that writes down `kept`, which `objective` could have trained, and judges it on `data`."""
    drawn = objective.quantizer.init()
    params = {AUTOENCODER: jax.device_get(kept.params), QUANTIZER: meta.unbox(drawn.params)}
    state = QuantizerState(drawn.state, jax.device_get(kept.table))
    stage = rfsq_stage(objective, data)
    return replace(
        stage,
        objective=TakenOver(objective, params, state),
        evaluate=partial(_evaluate_kept, stage.evaluate, kept.token_hash),
    )


def _facts(objective: ActionAutoencoding, normalizer: ActionNormalizer) -> TokenizerFacts:
    # Shapes tell the layout: nothing is drawn.
    variables = meta.unbox(jax.eval_shape(objective.init, jax.random.key(0)))
    layout = objective.tokenizer(variables, normalizer).layout()
    return TokenizerFacts(layout, normalizer, describe_strategy(objective.quantizer))


def _evaluate_kept(evaluate: HeldoutEvaluation, kept: str, variables: Variables) -> dict[str, Any]:
    """What `evaluate` finds of a tokenizer that must be the one of the hash `kept`."""
    result = evaluate(variables)
    if result["tokenizer_hash"] != kept:
        raise ValueError(
            "the tokenizer that is kept has changed while it was written down, so that weights would not know its "
            "codes: leave training.weight_decay=0 and training.stored_dtype=float32"
        )
    return result


def _evaluate(objective: ActionAutoencoding, data: ActionData, variables: Variables) -> dict[str, Any]:
    """Errors of actions decoded from tokens alone, and how far they are from the loss's own forward pass."""
    # A tokenizer is small, and is used and hashed whole.
    tokenizer = objective.tokenizer(jax.device_put(hosts.fetch(variables)), data.normalizer)
    decoded = np.asarray(tokenizer.detokenize(tokenizer.tokenize(data.heldout)))
    forward = np.asarray(loss_forward(objective, tokenizer, data.heldout))
    by_layer = token_errors(tokenizer, data.heldout)
    return {
        "heldout_token_mse": by_layer[-1],
        "heldout_token_mse_by_layer": by_layer,
        "heldout_executed_token_mse": token_errors(tokenizer, data.heldout_executed)[-1],
        "largest_forward_minus_token": float(np.abs(forward - decoded).max()),
        "heldout_clipped_fraction": clipped_fraction(data.normalizer, data.heldout),
        "gripper_exact_fraction": float(np.mean(decoded[..., GRIPPER] == np.sign(data.heldout[..., GRIPPER]))),
        "heldout_chunks": len(data.heldout),
        "tokenizer_hash": tokenizer.token_hash,
    }


def clipped_fraction(normalizer: ActionNormalizer, actions: NDArray[np.float32]) -> float:
    """Share of the motion numbers of chunks ``[N, C, A]`` that lie beyond the normalizer's range, and are clipped."""
    return float(np.mean(np.asarray(normalizer.clipped_fraction(actions.reshape(-1, actions.shape[-1])))[:GRIPPER]))


def loss_forward(objective: ActionAutoencoding, tokenizer: RfsqTokenizer, actions: NDArray[np.float32]) -> jax.Array:
    """What the loss function's forward pass makes of `actions`, in the dataset's units, read from a gradient step."""
    output, _ = _loss_gradient(objective, tokenizer, actions)
    return output


@partial(jax.jit, static_argnums=0)
def _loss_gradient(
    objective: ActionAutoencoding, tokenizer: RfsqTokenizer, actions: jax.Array
) -> tuple[jax.Array, PyTree]:
    """The output, and the gradient: without it the compiler would leave the backward pass out of the program."""

    def loss(params: PyTree) -> tuple[jax.Array, jax.Array]:
        target = tokenizer.normalizer.normalize(actions)
        output = objective.reconstruct(params, tokenizer.table, target).actions
        return jnp.mean((output - target) ** 2), output

    (_, output), gradient = jax.value_and_grad(loss, has_aux=True)(tokenizer.params)
    return tokenizer.normalizer.denormalize(output), gradient


def token_errors(tokenizer: RfsqTokenizer, actions: NDArray[np.float32]) -> list[float]:
    """Mean squared error of the six motion dimensions in half-ranges, decoded from the first 1 .. L layers of tokens.

    Against `actions` as they are, not clipped to the training range; the gripper is left out.
    """
    return np.asarray(_token_errors(tokenizer, actions)).tolist()


@jax.jit
def _token_errors(tokenizer: RfsqTokenizer, actions: jax.Array) -> jax.Array:
    tokens = tokenizer.tokenize(actions)
    errors = []
    for depth in range(1, tokenizer.table.num_layers + 1):
        difference = (tokenizer.detokenize(tokens, depth) - actions) / tokenizer.normalizer.half_range
        errors.append(jnp.mean(difference[..., :GRIPPER] ** 2))
    return jnp.stack(errors)
