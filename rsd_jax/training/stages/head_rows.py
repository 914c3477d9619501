"""What the draft model and the main head train on: a frozen policy's features of every demonstrated step."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rsd_jax.actions.normalizer import GRIPPER
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.run_folder import ROWS_FOLDER
from rsd_jax.stored_models import StoredPolicy, load_policy, load_tokenizer
from rsd_jax.stored_models.policy import PolicyMismatchError
from rsd_jax.training.digit_accuracy import LayerAccuracy, layer_accuracy
from rsd_jax.training.equal_batches import map_rows
from rsd_jax.training.objectives.behaviour_cloning import policy_inputs
from rsd_jax.training.objectives.digit_prediction import DEMONSTRATIONS, TEACHER, FrozenPolicy, teacher_actions
from rsd_jax.training.policy_rows import policy_rows_of
from rsd_jax.training.row_sources import Rows
from rsd_jax.training.row_sources.row_files import RowWriter, stored_rows

FEATURES_FORMAT = 1
"""Raised whenever the same policy makes other features of the same rows: when preprocessing or network change."""

BATCH = 256
"""Rows a call when the policy or a head runs over all of them."""


class HeadRows(NamedTuple):
    """Features and actions of complete chunks.

    Attributes:
        features: ``float32 [N, C, F]``.
        actions: demonstrated actions in the dataset's units, ``float32 [N, C, A]``.
    """

    features: NDArray[np.float32]
    actions: NDArray[np.float32]


class DecodedError(NamedTuple):
    """How far actions decoded from a head's tokens are from those that its labels were made of.

    Attributes:
        l1: mean absolute error of the six motion dimensions, in half-ranges.
        gripper_accuracy: share of the steps whose gripper has the right sign.
    """

    l1: float
    gripper_accuracy: float


class HeadData(NamedTuple):
    """Everything that a head's stage starts from.

    Attributes:
        policy: the frozen policy. frozen: its teacher and the tokenizer, as the objective takes them.
        train, heldout: rows, split by episode.
        tokens: labels of both kinds and both splits, ``tokens[labels] = (train, heldout)``, each ``[N, C, D, L]``.
    """

    policy: StoredPolicy
    frozen: FrozenPolicy
    train: HeadRows
    heldout: HeadRows
    tokens: dict[str, tuple[NDArray[np.int32], ...]]

    def accuracy(self, predicted: NDArray[np.int32], labels: str, depth: int) -> LayerAccuracy:
        """Accuracy of held-out `predicted` ``[N, C, D, depth]`` for the first `depth` layers, and the majority's."""
        train, heldout = (tokens[..., :depth] for tokens in self.tokens[labels])
        return layer_accuracy(predicted, heldout, train, np.asarray(self.frozen.informative)[:depth])

    def decoded_error(self, predicted: NDArray[np.int32], labels: str) -> DecodedError:
        """Error of the actions that held-out `predicted` ``[N, C, D, L]`` decode to."""
        tokenizer = self.frozen.tokenizer
        actions = self.heldout.actions
        if labels == TEACHER:
            actions = np.asarray(teacher_actions(self.policy.teacher, self.frozen, jnp.asarray(self.heldout.features)))
        decoded = np.asarray(tokenizer.detokenize(predicted))
        motion = np.abs(decoded - actions)[..., :GRIPPER] / np.asarray(tokenizer.normalizer.half_range)[:GRIPPER]
        same_sign = (decoded[..., GRIPPER] >= 0) == (actions[..., GRIPPER] >= 0)
        return DecodedError(float(motion.mean()), float(same_sign.mean()))


def load_head_data(run_dir: Path) -> HeadData:
    """Runs the frozen policy over all demonstrations of a run.

    Raises:
        CheckpointError: the tokenizer or the policy is missing or damaged, or they do not belong together; the message
            names the command that makes them.
    """
    tokenizer = load_tokenizer(run_dir)
    policy = load_policy(run_dir)
    if policy.variables.action.to_json() != tokenizer.normalizer.to_json():
        raise PolicyMismatchError(
            f"the policy of {run_dir} normalises actions otherwise than its tokenizer; it was trained before the "
            "tokenizer: move its folder away and train it again: "
            f"python -m launch.train --config configs/policy.py --config.run_dir={run_dir}"
        )
    return head_data(policy, tokenizer, *stored_head_rows(run_dir, policy))


def stored_head_rows(run_dir: Path, policy: StoredPolicy) -> tuple[HeadRows, HeadRows]:
    """Features and labels of the training and the held-out episodes of a run.

    They are computed once for a policy, by whichever head comes first, and kept in files under ``run_dir/rows``.

    Raises:
        MissingDemonstrations: the run has none; names the command that makes them.
        OSError: the files cannot be written.
    """
    rows = policy_rows_of(run_dir, policy.backbone, policy.heldout_every)

    def write(writer: RowWriter) -> None:
        for part, of_part in (("train", rows.train), ("heldout", rows.heldout)):
            writer.append({f"{part}.{name}": array for name, array in head_rows(policy, of_part)._asdict().items()})

    folder = Path(run_dir) / ROWS_FOLDER / f"features{FEATURES_FORMAT}-{rows.digest}-{policy.params_hash[:16]}"
    stored = stored_rows(folder, write)
    train, heldout = (
        HeadRows(*(np.array(stored[f"{part}.{name}"]) for name in HeadRows._fields)) for part in ("train", "heldout")
    )
    return train, heldout


def head_data(policy: StoredPolicy, tokenizer: RfsqTokenizer, train: HeadRows, heldout: HeadRows) -> HeadData:
    """Labels of both kinds for rows of `policy`'s features, tokenized by `tokenizer`."""
    feature_scale = jnp.asarray(train.features.std(axis=(0, 1)))
    frozen = FrozenPolicy(tokenizer, tokenizer.informative, policy.variables.head, feature_scale)
    teach = jax.jit(partial(teacher_actions, policy.teacher))
    tokens = {
        TEACHER: _both(lambda rows: tokenizer.tokenize(teach(frozen, rows.features)), train, heldout),
        DEMONSTRATIONS: _both(lambda rows: tokenizer.tokenize(rows.actions), train, heldout),
    }
    return HeadData(policy, frozen, train, heldout, tokens)


def in_batches(call: Callable[..., Any], *arrays: NDArray[Any]) -> Any:
    """Applies `call` to the rows of `arrays`, some at a time, so that the device's memory does not grow with them.

    Returns:
        What `call` returns, an array or a tree of arrays, for all rows and on the host.
    """
    rows = {str(number): array for number, array in enumerate(arrays)}
    return map_rows(lambda batch: call(*batch.values()), rows, BATCH)


def _both(label: Callable[[HeadRows], Any], train: HeadRows, heldout: HeadRows) -> tuple[NDArray[np.int32], ...]:
    return np.asarray(label(train)), np.asarray(label(heldout))


def head_rows(policy: StoredPolicy, rows: Rows) -> HeadRows:
    """Features and labels of all complete chunks among rows of the policy's stage."""
    now = slice(0, policy.backbone.chunk_length)
    complete = np.flatnonzero(rows["mask"][:, now].all(axis=1))
    return HeadRows(features_of(policy, rows, complete), rows["actions"][complete, now])


def features_of(policy: StoredPolicy, rows: Rows, among: NDArray[np.integer]) -> NDArray[np.float32]:
    """The policy's features ``[N, C, F]`` of the rows whose indices are `among`."""
    run = jax.jit(policy.features)
    features: NDArray[np.float32] = map_rows(
        lambda batch: run(policy.variables, policy_inputs(batch)), rows, BATCH, among
    )
    return features
