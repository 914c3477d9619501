"""Which renderer is chosen, and what is said when there is none."""

import os
import subprocess
from types import SimpleNamespace

import pytest

from eval_bridge.simulators.libero import renderer
from eval_bridge.simulators.libero.renderer import (
    RendererNotFound,
    choose_renderer,
    probe_error,
    require_render_devices,
)


@pytest.fixture
def probes(monkeypatch):
    """Errors that the probes of EGL and OSMesa give, and which of them ran; the environment is put back afterwards."""
    found = SimpleNamespace(errors={"egl": None, "osmesa": None}, tried=[])

    def probe(name, device="0"):
        found.tried.append(name if device == "0" else f"{name} {device}")
        return found.errors.get(found.tried[-1], found.errors[name])

    monkeypatch.setattr(renderer, "probe_error", probe)
    monkeypatch.setattr(os, "environ", {})
    return found


def test_egl_is_preferred(probes):
    assert choose_renderer() == "egl"
    assert os.environ["MUJOCO_GL"] == os.environ["PYOPENGL_PLATFORM"] == "egl"
    assert probes.tried == ["egl"]


def test_osmesa_where_egl_fails(probes):
    probes.errors["egl"] = "no display"
    assert choose_renderer() == "osmesa"
    assert os.environ["MUJOCO_GL"] == "osmesa"


def test_a_choice_is_not_tried_again(probes):
    choose_renderer()
    choose_renderer()
    assert probes.tried == ["egl"]


def test_explicit_choice_is_honoured(probes):
    os.environ["MUJOCO_GL"] = "osmesa"
    assert choose_renderer() == "osmesa"
    assert probes.tried == ["osmesa"]


def test_no_renderer_names_reasons_and_packages(probes):
    probes.errors.update(egl="no display", osmesa="no library")
    with pytest.raises(RendererNotFound, match="egl: no display; osmesa: no library") as error:
        choose_renderer()
    for package in ("libegl1", "libgl1-mesa-dri", "libosmesa6"):
        assert package in str(error.value)
    assert "MUJOCO_GL" not in os.environ


def test_broken_explicit_choice_is_not_replaced(probes):
    os.environ["MUJOCO_GL"] = "egl"
    probes.errors["egl"] = "no display"
    with pytest.raises(RendererNotFound, match="MUJOCO_GL=egl allows no other"):
        choose_renderer()
    assert probes.tried == ["egl"]


def test_renderer_that_needs_a_screen_is_refused(probes):
    os.environ["MUJOCO_GL"] = "glfw"
    with pytest.raises(RendererNotFound, match="'egl' or 'osmesa'"):
        choose_renderer()


@pytest.mark.parametrize(
    ("variables", "tried"),
    [
        ({}, ["egl"]),
        ({"CUDA_VISIBLE_DEVICES": "2,0"}, ["egl 2"]),
        ({"CUDA_VISIBLE_DEVICES": "7"}, ["egl 7", "egl"]),  # of a container that sees fewer of them
        ({"CUDA_VISIBLE_DEVICES": "GPU-5ab1"}, ["egl"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, ["egl"]),
        ({"CUDA_VISIBLE_DEVICES": "2", "MUJOCO_EGL_DEVICE_ID": "1"}, ["egl 1"]),
    ],
)
def test_cuda_lists_may_name_the_graphics_device(probes, variables, tried):
    os.environ.update(variables)
    probes.errors["egl 7"] = "must be an integer between 0 and 1"
    assert choose_renderer() == "egl"
    assert probes.tried == tried
    assert f"egl {os.environ['MUJOCO_EGL_DEVICE_ID']}".removesuffix(" 0") == tried[-1]


def test_render_devices_are_tried_each_once(probes):
    os.environ["MUJOCO_GL"] = "egl"
    require_render_devices([1, 0, 1])
    assert probes.tried == ["egl 1", "egl"]
    require_render_devices([])


def test_a_render_device_that_is_none_is_named(probes):
    os.environ["MUJOCO_GL"] = "egl"
    probes.errors["egl 3"] = "must be an integer between 0 and 1"
    with pytest.raises(RendererNotFound, match=r"render_devices=\(0, 3\): nothing renders on device 3 \(must be"):
        require_render_devices([0, 3])
    os.environ["MUJOCO_GL"] = "osmesa"
    with pytest.raises(RendererNotFound, match=r"render_devices=\(0,\) are graphics devices, and osmesa"):
        require_render_devices([0])


def test_probe_tells_the_last_line_of_a_failure(monkeypatch):
    attempt = subprocess.CompletedProcess([], 1, "", "Traceback\nAttributeError: eglQueryString\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: attempt)
    assert probe_error("egl") == "AttributeError: eglQueryString"


def test_probe_tells_that_the_driver_aborted(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], -6, "", ""))
    assert probe_error("egl") == "the process ended with status -6"


@pytest.mark.libero
def test_chosen_renderer_renders(libero_simulator):
    libero_simulator.draw_start(0)
    assert probe_error(os.environ["MUJOCO_GL"]) is None
