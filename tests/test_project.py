"""Rules of the project that no linter states."""

import ast
import functools
import glob
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rsd_jax.pretrained import PRETRAINED

ROOT = Path(__file__).parents[1]
PACKAGES = ("rsd_jax", "eval_bridge", "launch", "configs")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LOCKS = sorted((ROOT / "requirements").glob("py*.lock"))


@functools.cache
def imported(path: Path) -> set[str]:
    """Full names of everything that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def starts_with(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.py")), ids=lambda path: path.name)
def test_configs_import_only_ml_collections_and_values_that_they_share(path):
    allowed = ("ml_collections", "configs.libero_spatial", "configs.demos", "configs.suites")
    assert [name for name in imported(path) if not any(starts_with(name, package) for package in allowed)] == []


def test_decoders_and_quantizer_are_pure_functions_without_modules_files_or_logs():
    heart = [*(ROOT / "rsd_jax/decoding").glob("*.py"), *(ROOT / "rsd_jax/rfsq").glob("*_quantizer.py")]
    assert len(heart) > 4
    forbidden = ("flax.linen", "orbax", "logging", "pathlib", "os")
    broken = {
        path.name: name for path in heart for name in imported(path) for rule in forbidden if starts_with(name, rule)
    }
    assert broken == {}


def test_nothing_uses_nnx_or_postponed_annotations():
    names = {path: imported(path) for path in SOURCES}
    assert [path for path, found in names.items() if any(starts_with(name, "flax.nnx") for name in found)] == []
    assert [path for path, found in names.items() if "__future__.annotations" in found] == []


def test_no_file_is_named_after_nothing():
    nameless = {"utils", "helpers", "common", "misc"}
    assert [path for path in SOURCES if path.stem in nameless or path.parent.name in nameless] == []


def test_the_library_imports_without_simulator_renderer_or_hub():
    """In a fresh process, since other tests load the simulator into this one."""
    code = (
        "import sys, rsd_jax.rfsq, rsd_jax.heads, rsd_jax.decoding, eval_bridge.episodes.rollout\n"
        "found = {'robosuite', 'mujoco', 'libero', 'torch', 'tensorflow', 'transformers'} & set(sys.modules)\n"
        "sys.exit(f'imported: {found}' if found else 0)"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_locks_are_exact_versions_without_hosts(lock):
    lines = lock.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9.-]+==[a-z0-9.+!]+", line)] == []
    pinned = dict(line.split("==") for line in lines)
    assert pinned["robosuite"] == "1.4.0"
    assert pinned["mujoco"] == "3.2.3"
    assert "opencv-python" not in pinned
    assert not {"torch", "tensorflow"} & pinned.keys()


def test_every_supported_python_has_a_lock():
    assert [lock.stem for lock in LOCKS] == ["py311", "py312"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
@pytest.mark.parametrize("cuda", [12, 13])
def test_what_jax_needs_for_gpus_is_of_its_version(lock, cuda):
    lines = lock.with_name(f"cuda{cuda}-{lock.name}").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"(jax-cuda|nvidia-)[a-z0-9-]+==[0-9.]+", line)] == []
    versions = {name: version for name, version in (line.split("==") for line in lines) if name.startswith("jax")}
    assert set(versions) == {f"jax-cuda{cuda}-plugin", f"jax-cuda{cuda}-pjrt"}
    (jax_line,) = (line for line in lock.read_text(encoding="utf-8").splitlines() if line.startswith("jax=="))
    assert {f"jax=={version}" for version in versions.values()} == {jax_line}


def test_what_is_installed_is_what_the_lock_says():
    """A stale .venv would test other versions than those that users get."""
    from importlib.metadata import version

    lock = ROOT / "requirements" / f"py{sys.version_info.major}{sys.version_info.minor}.lock"
    pinned = dict(line.split("==") for line in lock.read_text(encoding="utf-8").splitlines())
    names = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "mujoco", "robosuite")
    assert {name: version(name) for name in names} == {name: pinned[name] for name in names}


def keyword_of_setup(name: str) -> Any:
    """A literal that setup.py gives by keyword, in whatever call."""
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"setup.py has no {name}")


def test_every_module_and_configuration_reaches_an_installation():
    """setuptools takes the packages that are included by name, folder by folder, and no folder that is none."""
    included = set(keyword_of_setup("include"))
    assert included == {*PACKAGES, *(f"{package}.*" for package in PACKAGES)}
    assert [path for path in SOURCES if not (path.parent / "__init__.py").is_file()] == []


def test_package_data_reaches_an_installation():
    """Templates, tables and the shipped checkpoint, file by file: a pattern may match a folder and no file in it."""
    patterns = keyword_of_setup("package_data")  # those of "" hold for every package
    installed: set[Path] = set()
    for folder in {path.parent for path in SOURCES if path.name == "__init__.py"}:
        name = ".".join(folder.relative_to(ROOT).parts)
        for pattern in (*patterns[""], *patterns.get(name, ())):
            # As setuptools does, where ** stands for files too and hidden ones are left out, other than in pathlib.
            found = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207
            installed |= {folder / match for match in found if (folder / match).is_file()}
    files = {path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()}
    assert len([path for path in files if path.is_relative_to(PRETRAINED)]) > 30
    code = {path for path in files if path.suffix in {".py", ".pyc"}}
    assert files - code - installed == set()


def test_the_files_that_are_begun_first_exist():
    from tests.conftest import SLOWEST

    assert [name for name in SLOWEST if not (ROOT / "tests" / name).is_file()] == []


def test_plugins_of_other_projects_are_not_loaded(tmp_path):
    """Those in PYTHONPATH, as a sourced ROS 2 has them, are not made for this pytest."""
    information = tmp_path / "foreign-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[pytest11]\nforeign = foreign_plugin\n")
    (tmp_path / "foreign_plugin.py").write_text("raise RuntimeError('made for another pytest')\n")
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", "-p", "no:cacheprovider", __file__]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
