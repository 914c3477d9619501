"""Damages small examples of every format and counts what readers make of them.

    python -m tests.campaigns.damage                       # 200 cases a format, some minutes
    python -m tests.campaigns.damage --formats libero_hdf5 episode_log --cases 50 --seed 3

A case alters one file: a bit, a digit, some bytes cut out, put in or zeroed, or the end cut off. Outcomes:

    named    the reader says which file is damaged
    equal    what was read is what was put in: the damage hit nothing that counts
    silent   something else was read, without a word
    raw      another exception than the readers' own
    hanging  no answer within the limit

The command fails if anything is raw or hanging, or silent in a format that this project writes. A log that has lost
its end reads as the shorter log that it is, with a warning: that counts as named.
"""

import argparse
import logging
import multiprocessing
import random
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from rsd_jax.atomic_files import write_json
from rsd_jax.provenance import device_name, git_commit, library_versions

OUTCOMES = ("named", "equal", "silent", "raw", "hanging")


class Outcome(NamedTuple):
    """What became of a case, one of `OUTCOMES`, and what was said of it."""

    kind: str
    detail: str


def damaged(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    """An alteration of `content`, and what it is."""
    place = rng.randrange(len(content))
    digits = [index for index, byte in enumerate(content[place : place + 4096]) if chr(byte).isdigit()]
    length = rng.randint(1, 64)
    kinds: dict[str, Callable[[], bytes]] = {
        "bit": lambda: _with(content, place, bytes([content[place] ^ 1 << rng.randrange(8)])),
        "cut": lambda: content[:place] + content[place + length :],
        "insert": lambda: content[:place] + rng.randbytes(length) + content[place:],
        "zero": lambda: _with(content, place, bytes(min(length, len(content) - place))),
        "truncate": lambda: content[:place],
    }
    if digits:
        at = place + rng.choice(digits)
        other = rng.choice([digit for digit in b"0123456789" if digit != content[at]])
        kinds["digit"] = lambda: _with(content, at, bytes([other]))
    kind = rng.choice(sorted(kinds))
    return kinds[kind](), f"{kind} at {place} of {len(content)}"


def _with(content: bytes, place: int, new: bytes) -> bytes:
    return content[:place] + new + content[place + len(new) :]


class Reader:
    """A process that reads damaged examples of one format; it is replaced when it hangs or dies."""

    def __init__(self, name: str, limit: float) -> None:
        self._name, self._limit = name, limit
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._name, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._ours.recv()  # it has imported what it needs and read the intact example

    def read(self, folder: Path) -> Outcome:
        """Reads the example in `folder`."""
        self._ours.send(str(folder))
        try:
            if self._ours.poll(self._limit):
                return Outcome(*self._ours.recv())
            outcome = Outcome("hanging", f"no answer in {self._limit:.0f} s")
        except EOFError:
            outcome = Outcome("raw", "the process died")
        self._process.kill()
        self._process.join()
        self._start()
        return outcome

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()


class _Warned(logging.Handler):
    """Whether anything was logged that a user would see."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def _serve(name: str, connection: Connection) -> None:
    from tests.campaigns.damageable_formats import FORMATS

    form, warned = FORMATS[name], _Warned()
    logging.getLogger().addHandler(warned)
    with tempfile.TemporaryDirectory() as folder:
        form.make(Path(folder))
        intact = form.read(Path(folder))
    connection.send("ready")
    while True:
        folder = connection.recv()
        warned.said.clear()
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found = form.read(Path(folder))
        except form.errors as error:
            connection.send(("named", str(error)[:300]))
        except BaseException:  # noqa: BLE001 - it is what is looked for
            connection.send(("raw", traceback.format_exc(limit=-3)))
        else:
            said = [*warned.said, *(str(warning.message) for warning in caught)]
            if same(intact, found):
                connection.send(("equal", ""))
            else:
                connection.send(("named", said[0][:300]) if said else ("silent", "other content"))


def same(one: Any, other: Any) -> bool:
    """Whether two trees hold the same values, bit for bit."""
    leaves, tree = jax.tree.flatten(one)
    others, other_tree = jax.tree.flatten(other)
    return tree == other_tree and all(_equal(*pair) for pair in zip(leaves, others, strict=True))


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    return bool(one == other)


def campaign(name: str, cases: int, seed: int, limit: float) -> tuple[Counter[str], list[str]]:
    """Outcomes of `cases` damages of a format, and a line for each that must not be."""
    from tests.campaigns.damageable_formats import FORMATS

    form, rng = FORMATS[name], random.Random(f"{name} {seed}")
    outcomes: Counter[str] = Counter()
    faults = []
    with tempfile.TemporaryDirectory() as scratch:
        intact = Path(scratch) / "intact"
        intact.mkdir()
        form.make(intact)
        files = sorted(path for path in intact.rglob("*") if path.is_file() and path.stat().st_size)
        reader = Reader(name, limit)
        try:
            for case in tqdm(range(cases), desc=name, disable=None):
                folder = Path(scratch) / f"case_{case}"
                shutil.copytree(intact, folder)
                path = folder / rng.choice(files).relative_to(intact)
                content, what = damaged(path.read_bytes(), rng)
                path.write_bytes(content)
                outcome = reader.read(folder)
                outcomes[outcome.kind] += 1
                if outcome.kind in ("raw", "hanging") or (outcome.kind == "silent" and form.is_ours):
                    faults.append(f"{name}, case {case}: {path.name}, {what}: {outcome.kind}: {outcome.detail}")
                shutil.rmtree(folder)
        finally:
            reader.close()
    return outcomes, faults


def main() -> None:
    from tests.campaigns.damageable_formats import FORMATS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS), help="default: all")
    parser.add_argument("--cases", type=int, default=200, help="cases a format (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=30.0, help="seconds a case may take (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts there too")
    arguments = parser.parse_args()
    counts, faults = {}, []
    print(f"{'format':18}" + "".join(f"{outcome:>9}" for outcome in OUTCOMES))
    for name in arguments.formats:
        found, wrong = campaign(name, arguments.cases, arguments.seed, arguments.limit)
        counts[name] = {outcome: found[outcome] for outcome in OUTCOMES}
        faults += wrong
        print(f"{name:18}" + "".join(f"{found[outcome]:9}" for outcome in OUTCOMES), flush=True)
    for fault in faults:
        print(fault)
    if arguments.json:
        record = {
            "commit": git_commit(),
            "device": device_name(),
            "versions": library_versions(),
            "cases": arguments.cases,
            "seed": arguments.seed,
            "counts": counts,
        }
        write_json(arguments.json, record)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
