"""The confidence stage: a head learns on held-out demonstrations how far the draft policy lies from the main one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rsd_jax.backbones.choice import take_same_inputs
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.decoding.skip_rules import draft_distance
from rsd_jax.distributed import hosts
from rsd_jax.heads.distance_head import DistanceConfig, DistanceHead
from rsd_jax.stored_models import load_draft_policy, load_policy, load_tokenizer
from rsd_jax.stored_models.confidence import ConfidenceFacts
from rsd_jax.stored_models.policy import PolicyVariables, StoredPolicy
from rsd_jax.training.draft_inputs import ACTED, BATCH, SEEN, draft_inputs, remembering
from rsd_jax.training.equal_batches import map_rows
from rsd_jax.training.look_rows import LOOK, episodes_of, with_looks
from rsd_jax.training.objectives.distance_prediction import DistanceConstants, DistancePrediction, log_distance
from rsd_jax.training.objectives.interface import Stage, Variables
from rsd_jax.training.policy_rows import policy_rows_of
from rsd_jax.training.row_sources import Rows
from rsd_jax.training.taught_rows import taught_rows

NEAR = 0.1
"""Half-ranges within which a draft counts as near in what is reported."""

RISK = 0.05
"""Share of all chunks that may be far and yet among the most confident, in what is reported."""


class DistanceRows(NamedTuple):
    """What the head learns from.

    Attributes:
        features: of the draft policy, ``float32 [N, C, F]``.
        drafted: its chunks, in half-ranges, ``float32 [N, C, A]``.
        distance: of its chunk from the main policy's, in half-ranges, ``float32 [N]`` (`draft_distance`).
    """

    features: NDArray[np.float32]
    drafted: NDArray[np.float32]
    distance: NDArray[np.float32]


@dataclass(frozen=True)
class ConfidenceSettings:
    """Settings of the confidence stage.

    Attributes:
        width: see `DistanceConfig`.
        feature_noise: see `DistancePrediction`.
        views: in how many each frame is seen: after a look of an age of its own each, where the draft policy has a
            memory, and all but the first changed at random. What is judged is seen as it is.
        augmentation: of the changed views, both policies' alike; of a draft policy that takes other inputs than the
            main one, which is then asked about no views, its own alone.
        judged_every: every how many-th of the held-out episodes the head does not learn from, but is judged on.
    """

    width: int
    feature_noise: float
    views: int
    augmentation: AugmentationConfig
    judged_every: int

    def __post_init__(self) -> None:
        """Rejects what would leave no rows, long before there are demonstrations."""
        for name in ("views", "judged_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"model.{name} is {getattr(self, name)}; it must be at least 1")

    def build(self, run_dir: Path) -> Stage:
        """Every step of the held-out demonstrations, which neither policy was trained on.

        Raises:
            CheckpointError: a policy is missing or damaged, or the draft policy learned from another.
            ValueError: there are too few held-out episodes to judge on some of them.
        """
        main = load_policy(run_dir, with_backbone=False)
        draft, tokenizer = load_draft_policy(run_dir, main), load_tokenizer(run_dir)
        if take_same_inputs(draft.backbone, main.backbone):
            main = load_policy(run_dir)
            rows = policy_rows_of(run_dir, main.backbone, main.heldout_every).heldout
            episodes = episodes_of(rows["mask"])
        else:
            rows, episodes = taught_rows(run_dir, main, draft.backbone).heldout
        is_judged = episodes % self.judged_every == self.judged_every - 1
        if not is_judged.any() or is_judged.all():
            raise ValueError(
                f"model.judged_every is {self.judged_every}, and there are {episodes.max() + 1} held-out episodes: "
                "none would be left to judge or to learn from; collect more, or hold out more of them"
            )
        as_it_is, changed = (_measure(main, draft, change) for change in (None, self.augmentation))
        measured = [
            (changed if view else as_it_is)(seen, jax.random.key(view))
            for view, seen in enumerate(self._views(rows, main, draft))
        ]
        parts = zip(*measured, strict=True)
        learnt = DistanceRows(*(np.concatenate([array[~is_judged] for array in arrays]) for arrays in parts))
        judged = DistanceRows(*(array[is_judged] for array in measured[0]))
        return confidence_stage(self, draft, tokenizer.token_hash, learnt, judged)

    def _views(self, rows: Rows, main: StoredPolicy, draft: StoredPolicy) -> Iterator[Rows]:
        """One at a time: what is remembered is large."""
        oldest, chunk_length = draft.backbone.oldest_memory, draft.backbone.chunk_length
        remembered = remembering(main)(rows) if oldest else None
        for view in range(self.views):
            yield rows if remembered is None else with_looks(rows, remembered, chunk_length, oldest, seed=1 + view)


def confidence_stage(
    settings: ConfidenceSettings, draft: StoredPolicy, tokenizer_hash: str, learnt: DistanceRows, judged: DistanceRows
) -> Stage:
    """The stage on measured distances at hand."""
    head = DistanceHead(DistanceConfig(settings.width))
    chunk_length, feature_dim = learnt.features.shape[1:]
    action_dim = learnt.drafted.shape[-1]
    scale = jnp.asarray(learnt.features.std(axis=(0, 1)))
    return Stage(
        name="confidence",
        objective=DistancePrediction(head, chunk_length, feature_dim, action_dim, settings.feature_noise),
        frozen=DistanceConstants(scale),
        rows=learnt._asdict(),
        evaluate=_Evaluation(head, judged),
        best_metric="heldout_error",
        metadata=ConfidenceFacts(head.config, draft.params_hash, tokenizer_hash, settings.feature_noise).to_json(),
    )


class _Evaluation:
    """How well distances are told on episodes that the head did not learn from.

    ``heldout_error`` is the mean absolute error of the logarithm. ``heldout_skipped`` is the largest share of chunks
    that a threshold lets act while at most `RISK` of all are let act and lie further than `NEAR`; beside it the same
    of an oracle that knew the distance, and the share of chunks that are near.
    """

    def __init__(self, head: DistanceHead, rows: DistanceRows) -> None:
        self._rows = rows
        self._tell = jax.jit(lambda params, features, drafted: head.apply({"params": params}, features, drafted))

    def __call__(self, variables: Variables) -> dict[str, Any]:
        """See `HeldoutEvaluation`."""
        told = np.asarray(hosts.fetch(self._tell(variables.params, self._rows.features, self._rows.drafted)))
        distance = self._rows.distance
        error = np.abs(told - np.asarray(log_distance(jnp.asarray(distance)))).mean()
        near = float((distance <= NEAR).mean())
        return {
            "heldout_error": float(error),
            "heldout_skipped": skipped_at_risk(told, distance > NEAR, RISK),
            "heldout_skipped_oracle": min(near + int(RISK * len(distance)) / len(distance), 1.0),
            "heldout_near": near,
            "heldout_chunks": len(distance),
        }


def skipped_at_risk(score: NDArray[np.floating[Any]], is_far: NDArray[np.bool_], risk: float) -> float:
    """The largest share of chunks with a `score` up to some threshold, of which at most `risk` of all are far."""
    order = np.argsort(score, kind="stable")
    # Chunks of the same score act together or not at all.
    is_threshold = np.append(np.diff(score[order]) > 0, True)
    may_act = is_threshold & (np.cumsum(is_far[order]) <= risk * len(score))
    return float(np.flatnonzero(may_act).max(initial=-1) + 1) / len(score)


def _measure(
    main: StoredPolicy, draft: StoredPolicy, change: AugmentationConfig | None
) -> Callable[[Rows, jax.Array], DistanceRows]:
    """A function of rows and a key, compiled once for all views.

    It gives the draft policy's features and its chunks, and how far they lie from the main policy's where both see the
    same; or, where rows tell what that does (`ACTED`), from what it does at the frame as it is.

    Args:
        main, draft: the policies.
        change: of the frames and of the robot's state, drawn by the key; None for none.
    """

    def features_of(
        policy: StoredPolicy, variables: PolicyVariables, inputs: PolicyInputs, key: jax.Array
    ) -> jax.Array:
        if change is None:
            return policy.features(variables, inputs)
        features = policy.backbone.augmented_features(change, variables.backbone, variables.proprio, inputs, key)
        return features[:, : policy.backbone.chunk_length]

    @jax.jit
    def measure(
        of_main: PolicyVariables, of_draft: PolicyVariables, key: jax.Array, batch: Mapping[str, jax.Array]
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        inputs, normalize = draft_inputs(batch), of_main.action.normalize
        acted = (
            batch[ACTED]
            if ACTED in batch
            else main.teacher_actions(of_main, features_of(main, of_main, inputs._replace(memory=None), key))
        )
        features = features_of(draft, of_draft, inputs, key)
        drafted = normalize(draft.teacher_actions(of_draft, features))
        return features, drafted, draft_distance(drafted, normalize(acted))

    def measure_rows(rows: Rows, key: jax.Array) -> DistanceRows:
        seen = {name: rows[name] for name in (*SEEN, *LOOK, ACTED) if name in rows}
        return DistanceRows(*map_rows(partial(measure, main.variables, draft.variables, key), seen, BATCH))

    return measure_rows
