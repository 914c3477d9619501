"""Nothing is installed unless nothing renders, and not before it was said."""

import os
import subprocess
from types import SimpleNamespace

import pytest

from eval_bridge.simulators.libero import renderer
from tools import find_renderer


@pytest.fixture
def machine(monkeypatch):
    """Root on Debian, where nothing renders yet: what was ``installed``, and which packages it ``has``."""
    machine = SimpleNamespace(installed=[], has=set())
    needed = {"egl": "libegl1", "osmesa": "libosmesa6"}

    def run(command, **_):
        if "install" in command:
            assert "--no-upgrade" in command
            machine.installed += [part for part in command if part.startswith("lib")]
            machine.has |= set(machine.installed)
        return subprocess.CompletedProcess(command, 0)

    def probe(name, device="0"):
        return None if needed[name] in machine.has else "no library"

    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(find_renderer.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(find_renderer.subprocess, "run", run)
    monkeypatch.setattr(renderer, "probe_error", probe)
    return machine


def test_what_is_installed_and_why_is_said_first(machine, capsys):
    find_renderer.main([])
    out, err = capsys.readouterr()
    assert out == "egl\n"
    assert machine.installed == list(renderer.EGL_PACKAGES)
    said, _, done = err.partition("installing ")
    assert "egl: no library; osmesa: no library" in said
    assert "apt-get install -q -y --no-install-recommends --no-upgrade libegl1 libgl1" in said
    assert "RSD_NO_INSTALL=1" in said
    assert done


@pytest.mark.parametrize(("arguments", "variables"), [(["--no-install"], {}), ([], {"RSD_NO_INSTALL": "1"})])
def test_installing_can_be_forbidden(machine, arguments, variables):
    os.environ.update(variables)
    with pytest.raises(SystemExit, match=r"error: No offscreen renderer works.*apt-get install libegl1"):
        find_renderer.main(arguments)
    assert machine.installed == []


@pytest.mark.parametrize(("asked", "has"), [("egl", "libegl1"), ("osmesa", "libosmesa6")])
def test_a_named_renderer_that_works_is_used(machine, capsys, asked, has):
    os.environ["MUJOCO_GL"] = asked
    machine.has.add(has)
    find_renderer.main([])
    assert capsys.readouterr().out == f"{asked}\n"
    assert machine.installed == []


@pytest.mark.parametrize("asked", ["osmesa", "disabled"])
def test_where_another_one_works_nothing_is_installed(machine, asked):
    os.environ["MUJOCO_GL"] = asked
    machine.has.add("libegl1")
    with pytest.raises(SystemExit, match=f"MUJOCO_GL={asked} renders nothing here, and egl does: unset it, or name"):
        find_renderer.main([])
    assert machine.installed == []


def test_where_nothing_works_the_named_renderer_is_installed(machine, capsys):
    os.environ["MUJOCO_GL"] = "osmesa"
    find_renderer.main([])
    assert capsys.readouterr().out == "osmesa\n"
    assert machine.installed == list(renderer.OSMESA_PACKAGES)


def test_nothing_is_installed_for_one_that_nothing_would_help(machine):
    os.environ["MUJOCO_GL"] = "disabled"
    with pytest.raises(SystemExit, match="MUJOCO_GL='disabled' cannot render"):
        find_renderer.main([])
    assert machine.installed == []
