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
from rsd_jax.stored_models import StoredPolicy, load_policy, load_tokenizer
from rsd_jax.stored_models.policy import PolicyMismatchError
from rsd_jax.training.digit_accuracy import LayerAccuracy, layer_accuracy
from rsd_jax.training.equal_batches import map_rows
from rsd_jax.training.feature_rows import BATCH, HeadRows, stored_head_rows
from rsd_jax.training.objectives.digit_prediction import DEMONSTRATIONS, TEACHER, FrozenPolicy, teacher_actions


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
        taught: the policy's own actions of the held-out rows, in the dataset's units, ``[N, C, A]``.
    """

    policy: StoredPolicy
    frozen: FrozenPolicy
    train: HeadRows
    heldout: HeadRows
    tokens: dict[str, tuple[NDArray[np.int32], ...]]
    taught: NDArray[np.float32]

    def accuracy(self, predicted: NDArray[np.int32], labels: str, depth: int) -> LayerAccuracy:
        """Accuracy of held-out `predicted` ``[N, C, D, depth]`` for the first `depth` layers, and the majority's."""
        train, heldout = (tokens[..., :depth] for tokens in self.tokens[labels])
        return layer_accuracy(predicted, heldout, train, np.asarray(self.frozen.informative)[:depth])

    def decoded_error(self, predicted: NDArray[np.int32], labels: str) -> DecodedError:
        """Error of the actions that held-out `predicted` ``[N, C, D, L]`` decode to."""
        tokenizer, actions = self.frozen.tokenizer, self.taught if labels == TEACHER else self.heldout.actions
        decoded = np.asarray(tokenizer.detokenize(predicted))
        motion = np.abs(decoded - actions)[..., :GRIPPER] / np.asarray(tokenizer.normalizer.half_range)[:GRIPPER]
        same_sign = (decoded[..., GRIPPER] >= 0) == (actions[..., GRIPPER] >= 0)
        return DecodedError(float(motion.mean()), float(same_sign.mean()))


def load_head_data(run_dir: Path) -> HeadData:
    """Features and labels of all demonstrations of a run; the frozen backbone runs if they are not there yet.

    Raises:
        CheckpointError: the tokenizer or the policy is missing or damaged, or they do not belong together; the message
            names the command that makes them.
    """
    tokenizer = load_tokenizer(run_dir)
    policy = load_policy(run_dir, with_backbone=False)
    if not policy.variables.action.has_range_of(tokenizer.normalizer):
        raise PolicyMismatchError(
            f"the policy of {run_dir} normalises actions otherwise than its tokenizer. One that was trained here was "
            "so before the tokenizer: move its folder away and train it again: "
            f"python -m launch.train --config configs/policy.py --config.run_dir={run_dir}. A converted one has a "
            "range of its own: move the tokenizer's away and train that with --config.model.action_range=policy"
        )
    return head_data(policy, tokenizer, *stored_head_rows(run_dir, policy))


def head_data(policy: StoredPolicy, tokenizer: RfsqTokenizer, train: HeadRows, heldout: HeadRows) -> HeadData:
    """Labels of both kinds for rows of `policy`'s features, tokenized by `tokenizer`."""
    feature_scale = jnp.asarray(deviation(train.features))
    frozen = FrozenPolicy(tokenizer, tokenizer.informative, policy.variables.head, feature_scale)
    teach = jax.jit(partial(teacher_actions, policy.teacher))
    actions = {
        TEACHER: tuple(in_batches(partial(teach, frozen), rows.features) for rows in (train, heldout)),
        DEMONSTRATIONS: (train.actions, heldout.actions),
    }
    tokens = {labels: tuple(np.asarray(tokenizer.tokenize(of)) for of in both) for labels, both in actions.items()}
    return HeadData(policy, frozen, train, heldout, tokens, actions[TEACHER][1])


def deviation(features: NDArray[Any]) -> NDArray[np.float32]:
    """Standard deviation of every feature over the rows and steps of `features` ``[N, C, F]``, read block by block."""
    sums = np.zeros((2, features.shape[-1]))
    for start in range(0, len(features), BATCH):
        block = np.asarray(features[start : start + BATCH], np.float64)
        sums += block.sum(axis=(0, 1)), np.square(block).sum(axis=(0, 1))
    mean, mean_square = sums / (len(features) * features.shape[1])
    return np.sqrt(np.maximum(mean_square - np.square(mean), 0)).astype(np.float32)


def in_batches(call: Callable[..., Any], *arrays: NDArray[Any]) -> Any:
    """Applies `call` to the rows of `arrays`, some at a time, so that the device's memory does not grow with them.

    Returns:
        What `call` returns, an array or a tree of arrays, for all rows and on the host.
    """
    rows = {str(number): array for number, array in enumerate(arrays)}
    return map_rows(lambda batch: call(*(_wide(array) for array in batch.values())), rows, BATCH)


def _wide(array: NDArray[Any]) -> NDArray[Any]:
    """Features as heads take them; other arrays as they are."""
    return array.astype(np.float32) if array.dtype == jnp.bfloat16 else array
