r"""Converts demonstrations from one format into another: LIBERO's HDF5, RLDS and LeRobot.

    python -m launch.convert --config configs/convert.py --config.source.format=lerobot \
        --config.source.path=datasets/libero --config.target.path=runs/lerobot/demos

The target is a folder that does not exist yet, and appears when it is complete. Run again after an interruption, the
same command goes on where it stopped. With --config.on_error=skip episodes that cannot be read are left out, printed
and listed in TARGET/left_out.json.
"""

import os
import time
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from ml_collections import ConfigDict
from tqdm import tqdm

from eval_bridge.simulators.libero.suite_tasks import SUITE_TASKS
from eval_bridge.simulators.libero.suites import instruction_from_name
from launch.config_flags import run
from rsd_jax.demos.conversion import LEFT_OUT, convert
from rsd_jax.demos.formats import get_source_format, get_target_format
from rsd_jax.demos.source_conventions import SourceConventions, read_action_bounds
from rsd_jax.demos.task_names import TaskName, TaskNaming

_OPTIONS = ("agentview_key", "wrist_key", "state_key", "action_key", "split")
"""Options of `config.source` that some formats have."""


def main(config: ConfigDict) -> None:
    """Converts as `config` says and prints what was written.

    Raises:
        ValueError: a value of `config` does not fit, or a file of the source is damaged.
        OSError: the source is not there, or the target is there already, cannot be written or is full.
    """
    for section in ("source", "target"):
        if not config[section].path:
            raise ValueError(f"config.{section}.path is empty; add --config.{section}.path=FOLDER")
    source_format, writer = get_source_format(config.source.format), get_target_format(config.target.format)
    conventions = _declared_conventions(config.source, source_format.conventions)
    source, target = Path(config.source.path), Path(config.target.path)
    started = time.perf_counter()
    options = _declared_options(config.source, source_format.options)
    dataset = source_format.open(source, conventions, _task_naming(config.source.suite), **options)
    values = {name: value for name, value in config.source.items() if name not in _OPTIONS}
    description = {
        "source": values | options | {"path": str(source.resolve())},
        "target": {"format": config.target.format},
    }
    with tqdm(total=len(dataset), desc=str(target), unit="episode") as bar:
        written, left_out = convert(
            dataset,
            writer,
            target,
            description=description,
            on_error=config.on_error,
            workers=config.workers or len(os.sched_getaffinity(0)),
            on_episode=bar.update,
        )
    print(f"{written} demonstrations in {time.perf_counter() - started:.0f} s: {target}", flush=True)
    if left_out:
        print(f"left out {len(left_out)} of {len(dataset)} episodes, see {target / LEFT_OUT}:")
        print("\n".join(f"  {each.file}: {each.episode}: {each.field}: {each.rule}" for each in left_out), flush=True)
    if config.target.format == "lerobot":
        print("LeRobot datasets hold no simulator states: keep the source for replaying and rendering.", flush=True)


def _declared_conventions(source: ConfigDict, usual: SourceConventions) -> SourceConventions:
    """What the configuration declares, and for what it leaves open the format's usual conventions."""
    bounds = None
    if source.normalisation != "none":
        if not source.statistics:
            raise ValueError(
                f"config.source.normalisation={source.normalisation!r} needs --config.source.statistics=FILE, a "
                "dataset_statistics.json, and --config.source.statistics_key=NAME, the dataset's name in it"
            )
        bounds = read_action_bounds(Path(source.statistics), source.statistics_key, source.normalisation)
    return SourceConventions(
        image_orientation=source.image_orientation or usual.image_orientation,
        gripper_convention=source.gripper_convention or usual.gripper_convention,
        normalisation=bounds,
        source_hz=source.source_hz,
    )


def _declared_options(source: ConfigDict, known: Sequence[str]) -> dict[str, str]:
    """What else the configuration declares about the dataset; left out is what it leaves open."""
    options = {name: source[name] for name in _OPTIONS if source[name]}
    if unknown := [name for name in options if name not in known]:
        valid = ", ".join(known) or "none"
        raise ValueError(
            f"config.source.{unknown[0]}={options[unknown[0]]!r} says nothing about a source of the format "
            f"{source.format!r}; leave it out. Of such options this format has: {valid}"
        )
    return options


def _task_naming(suite: str) -> TaskNaming:
    """LIBERO's tasks by their instructions; where two suites share one, the earlier suite's."""
    names: dict[str, TaskName] = {}
    for name in (suite,) if suite in SUITE_TASKS else SUITE_TASKS:
        for task in SUITE_TASKS[name]:
            names.setdefault(instruction_from_name(task), TaskName(name, task))
    return TaskNaming(suite or None, names)


if __name__ == "__main__":
    run(main, default="configs/convert.py", expected=(ValueError, OSError, BrokenProcessPool))
