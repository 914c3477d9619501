"""The training stages by name."""

from pathlib import Path
from typing import Any

from rsd_jax.run_folder import TRAINED_STAGES
from rsd_jax.training.objectives.interface import Stage
from rsd_jax.training.stages import draft, main_head, policy, rfsq

_STAGES: dict[str, tuple[type, Any]] = {
    "rfsq": (rfsq.RfsqSettings, rfsq.build),
    "policy": (policy.PolicySettings, policy.build),
    "draft": (draft.DraftSettings, draft.build),
    "main_head": (main_head.MainHeadSettings, main_head.build),
}


def settings_of(name: str) -> type:
    """The dataclass that holds the settings of a stage.

    Raises:
        ValueError: no stage has this name.
    """
    if name not in _STAGES:
        raise ValueError(f"stage {name!r} does not exist; stages: {', '.join(TRAINED_STAGES)}")
    return _STAGES[name][0]


def build_stage(name: str, settings: Any, run_dir: Path) -> Stage:
    """Prepares a stage from what the earlier stages of the run have left in `run_dir`.

    Args:
        name: one of `TRAINED_STAGES`.
        settings: an instance of ``settings_of(name)``.
        run_dir: the run's folder.

    Raises:
        ValueError: no stage has this name, or an earlier stage's output is missing or does not fit; the message names
            the command that makes it.
    """
    settings_of(name)
    stage: Stage = _STAGES[name][1](settings, Path(run_dir))
    return stage
