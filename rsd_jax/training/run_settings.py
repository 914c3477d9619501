"""What a training is asked for, as the configurations of its stages explain it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from rsd_jax.distributed.mesh import MeshConfig
from rsd_jax.registry import to_dataclass
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.objectives.interface import StageSettings
from rsd_jax.training.stages import settings_of


class RunSettings(NamedTuple):
    """The training of one stage.

    Attributes:
        stage: its name.
        model: an instance of ``settings_of(stage)``.
        training: numbers of the optimisation.
        mesh: of the devices.
        start_from: see `build_stage`.
    """

    stage: str
    model: StageSettings
    training: TrainingConfig
    mesh: MeshConfig
    start_from: str = ""


def read_run_settings(values: Mapping[str, Any]) -> RunSettings:
    """The settings in the values of a configuration such as ``configs/policy.py``.

    Raises:
        ValueError: there is no such stage, a key is missing or unknown, or a value is impossible.
    """
    return RunSettings(
        values["stage"],
        to_dataclass(settings_of(values["stage"]), values["model"]),
        to_dataclass(TrainingConfig, values["training"], seed=values["seed"], tensorboard=values["tensorboard"]),
        to_dataclass(MeshConfig, values["mesh"]),
        values.get("start_from", ""),  # which stages that begin anew in every part do not have
    )
