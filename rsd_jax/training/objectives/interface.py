"""What one training stage brings to the one training loop: types only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
from jax.sharding import Mesh

from rsd_jax.array_types import PyTree, Scalar
from rsd_jax.training.row_sources import Rows


class Variables(NamedTuple):
    """Variables of a stage's model.

    Attributes:
        params: nested dict trained by gradient. From `Objective.init` its leaves carry logical axis names
            (`flax.linen.LogicallyPartitioned`); everywhere else they are plain arrays.
        model_state: what the forward pass itself updates (the quantizer's layer statistics); ``{}`` if nothing.
    """

    params: PyTree
    model_state: PyTree


class LossOutput(NamedTuple):
    """What a loss function returns: the loss, the updated `Variables.model_state`, scalar metrics by slash name."""

    loss: Scalar
    model_state: PyTree
    metrics: dict[str, Scalar]


class Objective(Protocol):
    """A training objective as pure functions of arrays. Implementations are frozen dataclasses."""

    def init(self, key: jax.Array) -> Variables:
        """Draws the initial variables. Traceable, so that state can be born sharded."""
        ...

    def loss(self, variables: Variables, frozen: PyTree, batch: Any, key: jax.Array) -> LossOutput:
        """Loss of one global batch, arrays by name. `frozen` holds arrays of earlier stages; `key` is consumed."""
        ...


class HeldoutEvaluation(Protocol):
    """Evaluates variables on held-out episodes; returns what goes to ``metrics.json`` (numbers, lists, strings).

    The variables are global arrays, sharded as the run's state is: results of compiled functions of them are brought
    to the host by `rsd_jax.distributed.hosts.fetch`. Every process evaluates, on the same rows.
    """

    def __call__(self, variables: Variables) -> dict[str, Any]:
        """Returns metrics by name; the stage's `best_metric` is among them."""
        ...


@dataclass(frozen=True)
class Stage:
    """One training stage, ready for the loop.

    Attributes:
        name: folder of the stage inside the run folder: ``rfsq``, ``policy``, ``draft`` or ``main_head``.
        objective: what is minimised.
        frozen: arrays from earlier stages, passed to the loss as an argument (never captured). Those that lie on the
            run's mesh stay as they are; others are placed whole on every device.
        rows: training data, name -> array with one common leading axis of rows.
        evaluate: held-out evaluation, run every `evaluate_every` steps and at the end.
        best_metric: the key of `evaluate`'s result by which the best checkpoint is chosen (lower is better).
        metadata: JSON-serialisable facts that travel with the checkpoint (tokenizer hash, normalizer, model config).
        starts_from: reads parameters that training starts from, plain arrays in nested dicts; those that it leaves
            out are drawn. It is called where a run begins, and not where one goes on.
        moments_dtype: of the optimizer's moments, see `make_optimizer`.
        parts: of the training so far, if it began with the weights of another: fields of `TrainingPart`.
    """

    name: str
    objective: Objective
    frozen: PyTree
    rows: Rows
    evaluate: HeldoutEvaluation
    best_metric: str
    metadata: dict[str, Any] = field(default_factory=dict)
    starts_from: Callable[[], PyTree] | None = None
    moments_dtype: str | None = None
    parts: Sequence[Mapping[str, Any]] = ()


class StageSettings(Protocol):
    """Settings of a stage, which prepare it. Implementations are frozen dataclasses."""

    def build(self, run_dir: Path) -> Stage:
        """Prepares the stage from what the earlier stages of the run have left in `run_dir`.

        Raises:
            ValueError: an earlier stage's output is missing or does not fit; names the command that makes it.
        """
        ...


@runtime_checkable
class KeepsConstants(Protocol):
    """`StageSettings` of a stage with constants that must stay what the weights know, where it begins with some."""

    def planned_facts(self) -> dict[str, Any]:
        """Facts of its checkpoint (`Stage.metadata`) that follow from the settings alone, for a check beforehand."""
        ...

    def build_from(self, run_dir: Path, source: Path) -> Stage:
        """`StageSettings.build`, with the constants of the stage of this name in the run `source`.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        ...


@runtime_checkable
class BuildsOnMesh(Protocol):
    """`StageSettings` of a stage whose arrays of earlier stages are too large for one device."""

    def build_on(self, run_dir: Path, mesh: Mesh) -> Stage:
        """`StageSettings.build`, with these arrays split over `mesh`, on which the stage is trained."""
        ...
