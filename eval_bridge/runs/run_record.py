"""``pipeline.json``: what a run is made with, and the seconds that its stages took."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rsd_jax.content_check import read_checked_json, write_checked_json
from rsd_jax.run_folder import RUN_RECORD, collection_summaries


@dataclass(frozen=True)
class RunIdentity:
    """What everything in a run's folder has in common.

    Attributes:
        variant: of the stages' configurations.
        seed: of collection and training.
        demos: folder of the run whose demonstrations this one uses; empty if it has its own.
        tokenizer: variant of the tokenizer's configuration; empty if it is the others'.
        suites: that one policy learns together; empty for the one suite of `variant`.
        corrections_of: folder of the run whose policy's mistakes it learns to correct; empty for none.
        policy: what its policy was converted from; empty for one that it trains.
        demos_variant: of the configuration of collection alone; empty if it is the others'.
        start_from: the run of which this one is the next part; empty for a training from nothing.
    """

    variant: str
    seed: int
    demos: str = ""
    tokenizer: str = ""
    suites: tuple[str, ...] = ()
    corrections_of: str = ""
    policy: str = ""
    demos_variant: str = ""
    start_from: str = ""


def check_same_run(run_dir: Path, wanted: RunIdentity, is_anew: bool = False) -> None:
    """Records what `run_dir` is made with, or checks it against what it was made with.

    Args:
        run_dir: folder of the run.
        wanted: what it is to be made with.
        is_anew: whether all of it is made anew, so that it may be made with something else.

    Raises:
        ValueError: the folder was made with another variant, seed or tokenizer, or other demonstrations.
        OSError: the folder cannot be written.
    """
    if (run_dir / RUN_RECORD).exists() and not is_anew:
        recorded = asdict(read_identity(run_dir))
        for name, value in asdict(wanted).items():
            if recorded[name] != value:
                raise ValueError(
                    f"{run_dir} was made with {name}={recorded[name]!r}, and {name}={value!r} is asked: name another "
                    "folder (--config.run_dir=...) or make everything anew, from the first stage "
                    "(--config.from_stage=collect)"
                )
        return
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        _write(run_dir, asdict(wanted))
    except OSError as error:
        raise OSError(f"cannot write the run folder: {error}; name another with --config.run_dir=...") from error


def read_identity(run_dir: Path) -> RunIdentity:
    """What a run is made with; raises ValueError where no pipeline has made the folder."""
    record = read_result(run_dir / RUN_RECORD, pipeline_command(run_dir))
    known = {name: value for name, value in record.items() if name in RunIdentity.__dataclass_fields__}
    return RunIdentity(**known | {"suites": tuple(record.get("suites", ()))})


def read_record(run_dir: Path) -> dict[str, Any]:
    """The record as it is stored; empty where there is none."""
    path = run_dir / RUN_RECORD
    return read_checked_json(path) if path.exists() else {}


def read_seconds(run_dir: Path) -> dict[str, float]:
    """Seconds by stage, all pieces together."""
    return dict(read_record(run_dir).get("stage_seconds", {}))


def add_seconds(run_dir: Path, stage: str, seconds: float) -> None:
    """Adds what a piece of a stage took, start to end of its process, however it ended."""
    spent = read_seconds(run_dir)
    spent[stage] = round(spent.get(stage, 0.0) + seconds, 1)
    _write(run_dir, read_record(run_dir) | {"stage_seconds": spent})


def forget_seconds(run_dir: Path, stages: Collection[str]) -> None:
    """Drops the seconds of stages whose output is made anew."""
    record, spent = read_record(run_dir), read_seconds(run_dir)
    kept = {stage: seconds for stage, seconds in spent.items() if stage not in stages}
    if kept != spent:
        _write(run_dir, record | {"stage_seconds": kept})


def read_result(path: Path, command: str) -> dict[str, Any]:
    """Contents of a JSON file that a stage of a run wrote.

    Args:
        path: the file.
        command: what makes it, for the error.

    Raises:
        ValueError: there is no such file, or it is damaged.
    """
    if not path.is_file():
        raise ValueError(f"{path} does not exist; finish the run: {command}")
    return read_checked_json(path)


def pipeline_command(run_dir: Path) -> str:
    """What makes whatever is missing in a run's folder."""
    return f"python -m launch.pipeline ... --config.run_dir={run_dir}"


def read_collections(run_dir: Path) -> list[dict[str, Any]]:
    """The summary of every task's collection."""
    return [read_checked_json(path) for path in collection_summaries(run_dir)]


def _write(run_dir: Path, record: dict[str, Any]) -> None:
    write_checked_json(run_dir / RUN_RECORD, record, indent=1)
