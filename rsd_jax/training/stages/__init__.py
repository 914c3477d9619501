"""The training stages by name."""

from collections.abc import Mapping
from pathlib import Path

from jax.sharding import Mesh

from rsd_jax.run_folder import CASCADE_STAGES, EARLY_EXIT_STAGES, TRAINED_STAGES
from rsd_jax.training.objectives.interface import BuildsOnMesh, Stage, StageSettings
from rsd_jax.training.stages.confidence import ConfidenceSettings
from rsd_jax.training.stages.draft import DraftSettings
from rsd_jax.training.stages.draft_policy import DraftPolicySettings
from rsd_jax.training.stages.early_exit import EarlyExitSettings
from rsd_jax.training.stages.main_head import MainHeadSettings
from rsd_jax.training.stages.openvla_finetune import OpenVlaFinetuneSettings
from rsd_jax.training.stages.policy import PolicySettings
from rsd_jax.training.stages.rfsq import RfsqSettings
from rsd_jax.training.starting_point import begin_from

_SETTINGS: Mapping[str, type[StageSettings]] = {
    "rfsq": RfsqSettings,
    "policy": PolicySettings,
    "draft": DraftSettings,
    "main_head": MainHeadSettings,
    "draft_policy": DraftPolicySettings,
    "confidence": ConfidenceSettings,
    "early_exit": EarlyExitSettings,
    "openvla_finetune": OpenVlaFinetuneSettings,
}


def settings_of(name: str) -> type[StageSettings]:
    """The dataclass that holds the settings of a stage.

    Raises:
        ValueError: no stage has this name.
    """
    if name not in _SETTINGS:
        raise ValueError(f"stage {name!r} does not exist; stages: {', '.join(_SETTINGS)}")
    return _SETTINGS[name]


def build_stage(
    name: str, settings: StageSettings, run_dir: Path, mesh: Mesh | None = None, start_from: str = ""
) -> Stage:
    """Prepares a stage from what the earlier stages of the run have left in `run_dir`.

    Args:
        name: one of `TRAINED_STAGES`, `CASCADE_STAGES` or `EARLY_EXIT_STAGES`, or ``openvla_finetune``.
        settings: an instance of ``settings_of(name)``.
        run_dir: the run's folder.
        mesh: that the stage is trained on, for one whose frozen arrays are split over it; by default one device.
        start_from: run whose stage of this name gives the weights to begin with (`starting_point`); empty for none.

    Raises:
        ValueError: no stage has this name, the settings are another's, or an earlier stage's output is missing or does
            not fit; the message names the command that makes it. Or as `begin_from`.
    """
    expected = settings_of(name)
    if not isinstance(settings, expected):
        raise ValueError(f"settings of stage {name!r} must be {expected.__name__}, got {type(settings).__name__}")
    if start_from:
        return begin_from(name, settings, Path(run_dir), start_from)
    if mesh is not None and isinstance(settings, BuildsOnMesh):
        return settings.build_on(Path(run_dir), mesh)
    return settings.build(Path(run_dir))


__all__ = ["CASCADE_STAGES", "EARLY_EXIT_STAGES", "TRAINED_STAGES", "build_stage", "settings_of"]
