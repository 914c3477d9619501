"""What the jobs of a run ask SLURM for."""

import re
import shlex
from dataclasses import dataclass

_TIME = re.compile(r"((?P<days>\d+)-)?(?P<clock>\d+(:\d+){0,2})")


@dataclass(frozen=True)
class SlurmSettings:
    """What jobs ask SLURM for.

    Attributes:
        nodes: of a training, with one process each.
        gpus_per_node: of a training; 0 asks for none.
        cpus_per_task: of every process.
        shards: jobs into which a collection or an evaluation is divided, as far as it has tasks or episodes.
        gpus_per_shard: of each of these, and of jobs that are not divided; 0 asks for none.
        time: limit of every job, as ``sbatch --time`` takes it; one that reaches it goes on in its next piece.
        notice: seconds before the limit at which the processes get SIGTERM, and save.
        requeues: how often a job may go on after its limit, or a lost process.
        partition, account: empty for SLURM's own choice.
        sbatch: further options of it, separated by blanks.

    Raises:
        ValueError: on construction, if a number, the time or an option is impossible.
    """

    nodes: int = 1
    gpus_per_node: int = 1
    cpus_per_task: int = 16
    shards: int = 10
    gpus_per_shard: int = 1
    time: str = "04:00:00"
    notice: int = 120
    requeues: int = 20
    partition: str = ""
    account: str = ""
    sbatch: str = ""

    def __post_init__(self) -> None:
        for name, least in (
            *(("nodes", 1), ("gpus_per_node", 0), ("cpus_per_task", 1), ("shards", 1)),
            *(("gpus_per_shard", 0), ("notice", 1), ("requeues", 0)),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}")
        if self.notice >= (limit := _seconds(self.time)):
            raise ValueError(
                f"notice={self.notice} must be less than the {limit} seconds of time={self.time!r}, or jobs would end "
                "as they begin: give a shorter notice or more time"
            )
        for name in ("partition", "account"):
            if re.search(r"\s", getattr(self, name)):
                raise ValueError(f"{name}={getattr(self, name)!r} must be one word, without blanks")
        if wrong := [option for option in shlex.split(self.sbatch) if not option.startswith("--")]:
            raise ValueError(
                f"sbatch={self.sbatch!r}: {wrong[0]!r} must begin with --; write each as --NAME=VALUE, for example "
                "--qos=high --mem=64G"
            )


def _seconds(time: str) -> int:
    """Reads a limit as ``sbatch --time`` does.

    Raises:
        ValueError: it is none.
    """
    match = _TIME.fullmatch(time)
    if match is None:
        raise ValueError(
            f"time={time!r} must read MINUTES, MINUTES:SECONDS, HOURS:MINUTES:SECONDS, DAYS-HOURS or "
            "DAYS-HOURS:MINUTES:SECONDS, for example 04:00:00"
        )
    numbers = [int(number) for number in match["clock"].split(":")]
    has_hours = match["days"] or len(numbers) == 3
    units = (3600, 60, 1) if has_hours else (60, 1)
    return int(match["days"] or 0) * 86400 + sum(number * unit for number, unit in zip(numbers, units, strict=False))
