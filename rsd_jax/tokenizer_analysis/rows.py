"""What the analysis measures on: a run's actions, and its frozen policy's features of the same steps."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.checkpoints.array_file import read_array_file, write_array_file
from rsd_jax.stored_models import StoredPolicy
from rsd_jax.training.demonstrations import load_split
from rsd_jax.training.feature_rows import HeadRows, stored_head_rows
from rsd_jax.training.stages.rfsq import ActionData, ActionRange, action_data


class AnalysisRows(NamedTuple):
    """Chunks of training and held-out episodes.

    Attributes:
        actions: what tokenizers are trained and judged on.
        train, heldout: the policy's features, and the expert's labels of the same chunks.
        facts: episodes, suites and the like, as JSON values.
    """

    actions: ActionData
    train: HeadRows
    heldout: HeadRows
    facts: dict[str, Any]


def load_rows(
    run_dir: Path,
    policy: StoredPolicy,
    kept: Path,
    *,
    chunk_length: int,
    smallest_half_range: float,
    action_range: ActionRange = "training",
) -> AnalysisRows:
    """Reads the rows from the file `kept`, or makes them from the run's demonstrations and keeps them there.

    With the file at hand the demonstrations are not needed again, so that an analysis can go on elsewhere.

    Raises:
        MissingDemonstrations: the run has none, and there is no file.
        ValueError: the file was made with another policy or other settings.
    """
    identity = {
        "policy_hash": policy.params_hash,
        "heldout_every": policy.heldout_every,
        "chunk_length": chunk_length,
        "smallest_half_range": smallest_half_range,
        "action_range": action_range,
    }
    if not kept.exists():
        split = load_split(run_dir, policy.heldout_every, with_frames=False)
        of_policy = replace(policy.variables.action, is_bounded=True)
        actions = action_data(split, chunk_length, smallest_half_range, action_range, of_policy)
        if not actions.normalizer.has_range_of(policy.variables.action):
            raise ValueError(
                f"the policy of {run_dir} normalises actions otherwise than tokenizers of its demonstrations would; "
                f"train it again on them: move {run_dir}/rfsq and {run_dir}/policy away, then launch.train both"
            )
        train, heldout = stored_head_rows(run_dir, policy)
        facts = {
            "episodes": len(split.train) + len(split.heldout),
            "heldout_episodes": len(split.heldout),
            "heldout_chunks": len(heldout.actions),
            "train_chunks": len(train.actions),
            "suites": sorted({demo.suite for demos in split for demo in demos}),
            "tasks": len({(demo.suite, demo.task) for demos in split for demo in demos}),
        }
        seen, seen_heldout = (np.asarray(part.features, np.float32) for part in (train, heldout))
        arrays = {
            "train": {"labels": train.actions, "executed": actions.train_executed, "features": seen},
            "heldout": {"labels": heldout.actions, "executed": actions.heldout_executed, "features": seen_heldout},
            "normalizer": {"center": actions.normalizer.center, "half_range": actions.normalizer.half_range},
        }
        write_array_file(kept, arrays, {**identity, "facts": facts})
    metadata, stored = read_array_file(kept)
    made_with = {"action_range": "training", **metadata}  # earlier versions had no other
    for name, value in identity.items():
        if made_with.get(name) != value:
            raise ValueError(
                f"{kept} was made with {name} {made_with.get(name)}, but it is {value} now; remove the file to renew "
                "it"
            )
    return _assemble(stored, metadata["facts"])


def _assemble(stored: dict[str, dict[str, NDArray[np.float32]]], facts: dict[str, Any]) -> AnalysisRows:
    train, heldout = stored["train"], stored["heldout"]
    return AnalysisRows(
        actions=ActionData(
            train_labels=train["labels"],
            train_executed=train["executed"],
            heldout=heldout["labels"],
            heldout_executed=heldout["executed"],
            normalizer=ActionNormalizer.from_json(stored["normalizer"]),
        ),
        train=HeadRows(train["features"], train["labels"]),
        heldout=HeadRows(heldout["features"], heldout["labels"]),
        facts=facts,
    )
