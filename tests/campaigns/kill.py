"""Kills trainings, collections and evaluations at random points, and looks whether they go on as if nothing had been.

    python -m tests.campaigns.kill --kills 20 --seed 0
    python -m tests.campaigns.kill --kills 100 --seed 0 --json results/faults.json

A run is met by up to three faults, then left alone until its end; what it then holds is compared, bit by bit, with a
run that nothing has happened to. Faults:

    killed      SIGKILL at a random moment; of two processes to one, which has to end the other
    in_save     SIGKILL while a checkpoint is being written
    in_restore  SIGKILL while the state is read
    full_disk   no room left on a small disk of its own (for root; else no room in files) until the command has failed
    truncated   a kill, and a file of the latest checkpoint is cut: the command has to name it, and is told what to do
    clock       a kill of a process whose wall clock steps to and fro

The same seed brings the same faults, as far as the moments of a machine repeat. The command fails if a run does not go
on, or ends in other bits.
"""

import argparse
import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from rsd_jax.atomic_files import write_json
from rsd_jax.checkpoints import StageCheckpoints
from rsd_jax.provenance import device_name, git_commit, library_versions
from rsd_jax.run_folder import METRICS_NAME
from tests.campaigns.killable_work import WORKS, Work, steps_lost

REPOSITORY = Path(__file__).parents[2]
FAULTS_OF_A_RUN = 3
LIMIT = 600.0
"""Seconds after which a command hangs."""

_SHARES = {"training": 0.5, "training_2_processes": 0.2, "evaluation": 0.25, "collection": 0.05}
_KINDS = {
    "training": ("killed", "in_save", "in_restore", "full_disk", "truncated", "clock"),
    "training_2_processes": ("killed", "in_save", "in_restore"),
    "evaluation": ("killed", "clock"),
    "collection": ("killed",),
}


class Fault(Exception):
    """A command has not done what it must; the message says which, and its last lines."""


class Reference(NamedTuple):
    """A run that nothing happened to: how long it took, and what it left."""

    seconds: float
    result: Any


class Command:
    """A command in a session of its own, whose words are kept."""

    def __init__(self, arguments: list[str], room: int | None = None) -> None:
        """Starts it; `room` bounds the size of its files, which stands in for a full disk."""
        self.words: list[str] = []
        self.process = subprocess.Popen(
            arguments,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=None if room is None else lambda: _bound_files(room),
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.words.append(line)

    def wait_for(self, holds: Callable[[], bool]) -> bool:
        """Waits until something holds, and says whether it did before the command ended."""
        until = time.monotonic() + LIMIT
        while not (found := holds()) and self.process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        return found

    def end(self) -> int:
        """Waits for its end.

        Raises:
            Fault: it hangs.
        """
        try:
            status = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise Fault(f"hangs: {self.last_words()}") from error
        self._reading.join(10.0)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def kill(self, rng: random.Random | None = None) -> None:
        """SIGKILL: to one of its processes of a run, where it started several, else to all."""
        children = _children(self.process.pid)
        if rng is not None and len(children) > 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(children), signal.SIGKILL)
            return
        for process in (*children, self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)

    def last_words(self) -> str:
        """Its last lines."""
        return "".join(self.words[-8:])


def _children(process: int) -> list[int]:
    """The processes of `process` that lead a group of their own: those of a run."""
    found = []
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in listed.read_text().split()]
    return [child for child in found if _leads(child)]


def _leads(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(process) == process
    return False


def _bound_files(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path | None]:
    """A disk of its own, or None for who may not mount one."""
    with tempfile.TemporaryDirectory(prefix="small_disk_") as folder:
        options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        is_mounted = subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
        try:
            yield Path(folder) if is_mounted else None
        finally:
            if is_mounted:
                subprocess.run(["umount", folder], capture_output=True, check=True)


def finish(work: Work, folder: Path) -> float:
    """Runs the command to its end; its seconds.

    Raises:
        Fault: it fails or hangs.
    """
    began = time.monotonic()
    command = Command(work.command(folder))
    if status := command.end():
        raise Fault(f"ended with {status}: {command.last_words()}")
    return time.monotonic() - began


def strike(kind: str, work: Work, folder: Path, seconds: float, rng: random.Random) -> bool:
    """Starts the command and does to it what `kind` says; whether it was hit before it was done.

    Raises:
        Fault: it did not answer as it must.
    """
    if kind == "full_disk":
        return _fill(work, folder, rng)
    arguments = work.command(folder)
    if kind == "clock":
        python, dash, module, *others = arguments
        assert dash == "-m"
        arguments = [python, "-m", "tests.campaigns.stepped_clock", str(rng.randrange(10**6)), module, *others]
    command = Command(arguments)
    saved = folder / (work.saved or "")
    if kind == "in_save":
        steps = rng.randrange(1, 12)  # of the saves that it makes
        seen: set[str] = set()

        def is_saving() -> bool:
            seen.update(str(path) for path in saved.glob("*/*.partial"))
            return len(seen) >= steps

        is_hit = command.wait_for(is_saving)
        time.sleep(rng.uniform(0.0, 0.05))
    elif kind == "in_restore":
        is_hit = command.wait_for(lambda: any("goes on at step" in line for line in command.words))
        time.sleep(rng.uniform(0.0, 0.3))
    else:
        is_hit = not command.wait_for(_after(rng.uniform(0.0, seconds))) or command.process.poll() is None
    is_hit = is_hit and command.process.poll() is None
    command.kill(rng)
    command.end()
    if is_hit and kind == "truncated":
        return _truncate(work, saved, folder, rng)
    return is_hit


def _after(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def _truncate(work: Work, saved: Path, folder: Path, rng: random.Random) -> bool:
    latest = StageCheckpoints(saved).find("latest")
    if latest is None or (saved / METRICS_NAME).exists():  # nothing is read of a finished one
        return False
    path = rng.choice(sorted(path for path in latest.rglob("*") if path.is_file() and path.stat().st_size))
    os.truncate(path, rng.randrange(path.stat().st_size))
    command = Command(work.command(folder))
    if command.end() == 0 or not any("is damaged" in line and latest.name in line for line in command.words):
        raise Fault(f"{path.relative_to(folder)} was truncated, and not named: {command.last_words()}")
    latest.rename(folder / f"{latest.name}.damaged")  # as the message says
    return True


def _fill(work: Work, folder: Path, rng: random.Random) -> bool:
    """Lets the command fail for want of room, at whichever write that happens."""
    room = rng.randrange(2**16)
    with small_disk(megabytes=64) as disk:
        if disk is None:
            command = Command(work.command(folder), room)
            status = command.end()
        else:
            shutil.copytree(folder, disk / "run", dirs_exist_ok=True)
            ballast = shutil.disk_usage(disk).free - room
            with (disk / "ballast").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, ballast)
            command = Command(work.command(disk / "run"))
            status = command.end()
            shutil.rmtree(folder)
            shutil.copytree(disk / "run", folder)
    if status == 0:
        return False
    if not any(
        "No space left" in line or "File too large" in line or "cannot write" in line for line in command.words
    ):
        raise Fault(f"a full disk was not named: {command.last_words()}")
    return True


def campaign(kills: int, seed: int, works: dict[str, float], tell: Callable[[str], None]) -> dict[str, Any]:
    """Counts of `kills` faults over runs of `works`, name -> share."""
    rng = random.Random(seed)
    references: dict[str, Reference] = {}
    struck, resumed = Counter[str](), Counter[str]()
    same_bits = max_lost = 0
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kills_") as scratch, tqdm(total=kills, unit="kill") as bar:
        number = 0
        while struck.total() < kills:
            number += 1
            name = rng.choices(list(works), list(works.values()))[0]
            work = WORKS[name]
            if name not in references:
                references[name] = _reference(work, Path(scratch) / f"{name}_reference")
            folder = Path(scratch) / f"{name}_{number}"
            folder.mkdir()
            work.prepare(folder)
            hits: Counter[str] = Counter()
            try:
                for _ in range(min(FAULTS_OF_A_RUN, kills - struck.total())):
                    kind = rng.choice(_KINDS[name])
                    if strike(kind, work, folder, references[name].seconds, rng):
                        hits[f"{name}/{kind}"] += 1
                        if work.saved is not None and kind not in ("truncated", "full_disk"):
                            max_lost = max(max_lost, steps_lost(folder / work.saved))
                finish(work, folder)
                resumed.update(hits)
                if work.result(folder) == references[name].result:
                    same_bits += hits.total()
                else:
                    raise Fault("other bits than a run that nothing happened to")
            except Fault as fault:
                hits = hits or Counter({f"{name}/{kind}": 1})
                faults.append(f"run {number}, {', '.join(hits)}, last {kind}: {fault}")
                tell(faults[-1])
            struck.update(hits)
            bar.update(hits.total())
            shutil.rmtree(folder, ignore_errors=True)
    kinds: dict[str, dict[str, int]] = defaultdict(dict)
    for name in sorted(struck):
        kinds[name] = {"kills": struck[name], "resumed": resumed[name]}
    return {
        "kills": struck.total(),
        "resumed": resumed.total(),
        "same_bits": same_bits,
        "max_steps_lost": max_lost,
        "kinds": dict(kinds),
        "faults": faults,
    }


def _reference(work: Work, folder: Path) -> Reference:
    folder.mkdir()
    work.prepare(folder)
    finish(work, folder)  # compiles, and is not timed
    shutil.rmtree(folder)
    folder.mkdir()
    work.prepare(folder)
    return Reference(finish(work, folder), work.result(folder))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.kill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--works", nargs="+", choices=list(WORKS), default=list(WORKS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the counts")
    options = parser.parse_args()
    began = time.monotonic()
    works = {name: _SHARES[name] for name in options.works}
    result = campaign(options.kills, options.seed, works, lambda line: tqdm.write(line, file=sys.stderr))
    for name, counts in result["kinds"].items():
        print(f"{name:<36}{counts['kills']:4} kills, {counts['resumed']:4} went on")
    print(
        f"{result['kills']} kills: {result['resumed']} went on, {result['same_bits']} to the same bits; at most "
        f"{result['max_steps_lost']} steps lost; {time.monotonic() - began:.0f} s"
    )
    if options.json:
        made_by = {"seed": options.seed, "device": device_name(), "commit": git_commit()}
        write_json(options.json, {**result, **made_by, "versions": library_versions()})
    if result["faults"]:
        sys.exit("\n".join(result["faults"]))


if __name__ == "__main__":
    main()
