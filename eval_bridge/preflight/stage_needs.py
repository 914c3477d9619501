"""What each stage of a run needs of the machine, read from its command."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval_bridge.collection.settings import CollectionSettings
from eval_bridge.evaluation.benchmarks import get_benchmark
from eval_bridge.evaluation.plan import EvaluationPlan
from eval_bridge.evaluation.settings import EvaluationSettings
from eval_bridge.preflight.disk_space import TRAINING_BYTES, evaluation_bytes
from eval_bridge.preflight.needs import Needs, collection_needs
from rsd_jax.registry import to_dataclass
from rsd_jax.run_folder import CALIBRATION_FOLDER, OPTIONAL_STAGES, ROWS_FOLDER
from rsd_jax.stored_models.openvla.shared_policy import policy_to_share

ReadConfig = Callable[[Sequence[str]], Mapping[str, Any]]
"""Values of a configuration, given ``--config FILE[:variant]`` and overrides; ValueError for what does not exist."""


def needs_of(command: Sequence[str], read_config: ReadConfig) -> Needs:
    """What ``... -m launch.X ...`` needs: X is collect, train or evaluate, with ``--config FILE``, or another stage's.

    Raises:
        ValueError: a file, a variant, a key or a value of the configuration does not exist or is impossible, or a
            run has no policy that another is to take.
    """
    module, *arguments = command[command.index("-m") + 1 :]
    if module == "launch.calibrate":
        return Needs(device=True, folders=(Path(arguments[arguments.index("--run_dir") + 1]) / CALIBRATION_FOLDER,))
    if module == "launch.convert_openvla":
        if "--policy" in arguments:
            policy_to_share(Path(arguments[arguments.index("--policy") + 1]))
        return Needs(device=True, folders=(Path(arguments[arguments.index("--out") + 1]) / "policy",))
    if module == "launch.extract_features":
        run_dir = Path(arguments[arguments.index("--run_dir") + 1])
        return Needs(device=True, folders=(run_dir / ROWS_FOLDER,), rows_of=run_dir)
    values = read_config(arguments)
    match module:
        case "launch.collect":
            return collection_needs(to_dataclass(CollectionSettings, values))
        case "launch.train":
            return _training_needs(values)
        case "launch.evaluate":
            settings = to_dataclass(EvaluationSettings, values)
            return evaluation_needs(settings, settings.plan(get_benchmark(settings.simulator, settings.suite)))
    raise AssertionError(f"{module} is no stage of a run")


def evaluation_needs(settings: EvaluationSettings, plan: EvaluationPlan) -> Needs:
    """What an evaluation needs."""
    in_libero = settings.simulator.startswith("libero")
    return Needs(
        simulator=in_libero,
        renderer=in_libero,
        render_devices=settings.render_devices if in_libero else (),
        device=True,
        reports=True,
        folders=(settings.output_folder,),
        bytes_written=evaluation_bytes(plan),
    )


def _training_needs(values: Mapping[str, Any]) -> Needs:
    from rsd_jax.training.run_settings import read_run_settings  # takes seconds that a finished run need not wait
    from rsd_jax.training.starting_point import check_start

    settings, run_dir = read_run_settings(values), Path(values["run_dir"])
    if settings.start_from:
        check_start(settings.stage, settings.model, settings.start_from)
    return Needs(
        device=True,
        tensorboard=settings.training.tensorboard,
        folders=(run_dir / settings.stage,),
        bytes_written=TRAINING_BYTES[settings.stage],
        rows_of=run_dir if settings.stage in ("policy", *OPTIONAL_STAGES) else None,
    )
