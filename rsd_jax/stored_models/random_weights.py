"""How a run whose policy nobody trained is told from all others, wherever a figure of it is shown."""

from pathlib import Path

from rsd_jax.checkpoints import StageCheckpoints

RANDOM_WEIGHTS = "random weights: nothing was trained, and no figure here says anything about a policy"
"""What stands in red beside every figure of such a run."""


def in_red(text: str) -> str:
    """`text` as terminals show it in red."""
    return f"\x1b[31m{text}\x1b[0m"


def has_random_weights(run_dir: Path) -> bool:
    """Whether the policy of a run has random weights, told by its checkpoint's facts alone; False without a policy.

    Raises:
        CheckpointError: the checkpoint is damaged.
    """
    metadata = StageCheckpoints(run_dir / "policy").read_metadata("best")
    return metadata is not None and bool(metadata.facts.get("has_random_weights", False))
