import importlib.util
import io
import json
import pickle
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tools.compare_libero import read_distribution, read_states

ROOT = Path(__file__).parents[2]
STATES = np.arange(6, dtype=np.float64).reshape(2, 3)


def as_torch_writes(content: object) -> bytes:
    """``torch.save`` of what holds no tensor."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


class Malicious:
    def __reduce__(self):
        return print, ("run",)


def test_initial_states_are_read_as_either_library_writes_them():
    file = io.BytesIO()
    np.savez(file, states=STATES)
    for content in (file.getvalue(), as_torch_writes(STATES)):
        np.testing.assert_array_equal(read_states(content, "x"), STATES)


@pytest.mark.parametrize(
    "content",
    [as_torch_writes(Malicious()), as_torch_writes("words"), b"PK", as_torch_writes({})],
    ids=["malicious", "words", "cut", "no_array"],
)
def test_anything_else_is_an_error_and_nothing_in_it_is_run(content, capsys):
    with pytest.raises(ValueError, match=r"task.pruned_init holds no array of initial states"):
        read_states(content, "task.pruned_init")
    assert capsys.readouterr().out == ""


def test_wheels_archives_and_folders_are_read_alike(tmp_path):
    folder = tmp_path / "checkout" / "libero" / "libero" / "bddl_files" / "suite"
    folder.mkdir(parents=True)
    (folder / "task.bddl").write_text("(define)")
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as wheel:
        wheel.write(folder / "task.bddl", "libero/libero/bddl_files/suite/task.bddl")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "checkout", "libero-1")
    for name in ("checkout", "x.whl", "x.tar.gz"):
        assert read_distribution(tmp_path / name) == {"bddl_files/suite/task.bddl": b"(define)"}
    (tmp_path / "x.tar.gz").write_bytes((tmp_path / "x.tar.gz").read_bytes()[:40])
    with pytest.raises(ValueError, match=r"x.tar.gz is no wheel, source archive or folder, or not all of it is there"):
        read_distribution(tmp_path / "x.tar.gz")
    with pytest.raises(ValueError, match="holds no folder bddl_files"):
        read_distribution(folder)


@pytest.mark.libero
def test_what_differs_from_the_installed_suites_is_named(tmp_path):
    installed = Path(str(importlib.util.find_spec("libero").origin)).parent / "libero"
    for kind in ("bddl_files", "init_files"):
        for suite in ("libero_goal", "libero_object"):
            shutil.copytree(installed / kind / suite, tmp_path / kind / suite)
    reworded = tmp_path / "bddl_files" / "libero_goal" / "turn_on_the_stove.bddl"
    reworded.write_text(reworded.read_text().replace("(:goal", "(:no_goal", 1))
    moved = tmp_path / "init_files" / "libero_goal" / "put_the_bowl_on_the_plate.pruned_init.npz"
    states = np.load(moved)["states"]
    states[3, 10] += 0.5
    moved.unlink()
    moved.with_suffix("").write_bytes(as_torch_writes(states))
    (tmp_path / "init_files" / "libero_goal" / "put_the_bowl_on_the_stove.pruned_init.npz").unlink()
    figures = tmp_path / "figures.json"
    options = ["--suites", "libero_goal", "libero_object", "--json", str(figures)]
    command = [sys.executable, "-m", "tools.compare_libero", str(tmp_path), *options]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 1, process.stderr
    assert process.stdout.splitlines() == [
        "libero_goal/put_the_bowl_on_the_stove: has no initial states there",
        "libero_goal/turn_on_the_stove: the definition is another one",
        "libero_goal/put_the_bowl_on_the_plate: 1 of 50 initial states differ, by up to 0.5",
        "libero_goal: 7 of 10 tasks are equal",
        "libero_object: 10 of 10 tasks are equal",
    ]
    suites = json.loads(figures.read_text())["suites"]
    assert suites == {"libero_goal": {"tasks": 10, "equal": 7}, "libero_object": {"tasks": 10, "equal": 10}}
