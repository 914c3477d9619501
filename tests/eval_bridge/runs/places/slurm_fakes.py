"""Commands of SLURM that note how they were called, and answer as SLURM does."""

from pathlib import Path

_SBATCH = """#!/bin/sh
echo "sbatch $*" >>{calls}
count=$(grep -c ^sbatch {calls})
[ "$count" = "{refused}" ] && {{ echo "sbatch: error: invalid partition specified: gpu" >&2; exit 1; }}
echo "$((100 + count));cluster"
"""
_SQUEUE = "#!/bin/sh\ncat {queue}\n"
_SCANCEL = '#!/bin/sh\necho "scancel $*" >>{calls}\n'


class FakeSlurm:
    """A folder of commands, for the front of ``PATH``.

    Attributes:
        commands: the folder.
    """

    def __init__(self, folder: Path, refused: int = 0) -> None:
        """The `refused`-th job is not taken; 0 for none."""
        self.commands, self._calls, self._queue = folder / "bin", folder / "calls", folder / "queue"
        self.commands.mkdir(parents=True)
        self._calls.touch()
        self._queue.touch()
        for name, code in (("sbatch", _SBATCH), ("squeue", _SQUEUE), ("scancel", _SCANCEL)):
            command = self.commands / name
            command.write_text(code.format(calls=self._calls, queue=self._queue, refused=refused))
            command.chmod(0o755)

    def queue(self, *numbers: int) -> None:
        """Lets these jobs be in the queue."""
        self._queue.write_text("".join(f"{number}\n" for number in numbers))

    @property
    def calls(self) -> list[str]:
        """Commands that changed something, with their arguments."""
        return self._calls.read_text().splitlines()
