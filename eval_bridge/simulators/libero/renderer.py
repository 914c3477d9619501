"""Finds an offscreen renderer that really works on this machine."""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Literal

Renderer = Literal["egl", "osmesa"]

RENDERING_OFF = ("disable", "disabled", "off", "false", "0")
"""Values of ``MUJOCO_GL`` that ask for physics alone (MuJoCo's own list)."""

_CANDIDATES: tuple[Renderer, ...] = ("egl", "osmesa")
_CONFIRMED = "RSD_JAX_CONFIRMED_RENDERER"
_EGL_DEVICE = "MUJOCO_EGL_DEVICE_ID"
_PROBE_SECONDS = 60
_PROBE = """
import mujoco
renderer = mujoco.Renderer(mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 2'/><geom size='1' rgba='1 0 0 1'/></worldbody></mujoco>"), 32, 32)
data = mujoco.MjData(renderer.model)
mujoco.mj_forward(renderer.model, data)
renderer.update_scene(data)
assert renderer.render()[..., 0].max() > 0, "the rendered frame is black"
renderer.close()
"""

_logger = logging.getLogger(__name__)


EGL_PACKAGES, OSMESA_PACKAGES = ("libegl1", "libgl1", "libgl1-mesa-dri"), ("libosmesa6",)
"""Debian's and Ubuntu's packages of each renderer. Newer releases have no OSMesa any more."""


class RendererNotFound(RuntimeError):
    """No offscreen renderer works; the message says what to install."""


def probe_error(renderer: Renderer, egl_device: str = "0") -> str | None:
    """Renders one frame in a process of its own, since a broken driver may abort it.

    Args:
        renderer: what to try.
        egl_device: graphics device as EGL counts them; nothing to OSMesa.

    Returns:
        None if the frame was rendered, else the last line that the attempt wrote.
    """
    environment = {**os.environ, "MUJOCO_GL": renderer, "PYOPENGL_PLATFORM": renderer, _EGL_DEVICE: egl_device}
    try:
        attempt = subprocess.run(
            [sys.executable, "-c", _PROBE], env=environment, capture_output=True, text=True, timeout=_PROBE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"no frame within {_PROBE_SECONDS} s"
    if attempt.returncode == 0:
        return None
    lines = attempt.stderr.strip().splitlines()
    return lines[-1] if lines else f"the process ended with status {attempt.returncode}"


def choose_renderer() -> Renderer:
    """Picks EGL, else OSMesa, and sets ``MUJOCO_GL`` and ``PYOPENGL_PLATFORM`` accordingly.

    An explicit ``MUJOCO_GL`` is honoured: nothing else is tried. So is an explicit ``MUJOCO_EGL_DEVICE_ID``; else EGL
    gets the device of the index that stands first in ``CUDA_VISIBLE_DEVICES``, as robosuite has it, or where none does
    or nothing renders there, the first. The result is kept in the environment, so that child processes do not try
    again. Must run before mujoco is imported.

    Raises:
        RendererNotFound: neither works, or not the one that ``MUJOCO_GL`` names.
    """
    explicit = os.environ.get("MUJOCO_GL", "").strip().lower()
    if explicit and explicit == os.environ.get(_CONFIRMED):
        return explicit  # type: ignore[return-value]
    candidates = [name for name in _CANDIDATES if explicit in ("", name)]
    if not candidates:
        raise RendererNotFound(
            f"MUJOCO_GL={explicit!r} cannot render without a screen here: use 'egl' or 'osmesa', or unset it to have "
            "one chosen."
        )
    errors = {}
    for candidate in candidates:
        for device in _egl_devices() if candidate == "egl" else ["0"]:
            error = probe_error(candidate, device)
            if error is None:
                found = {"MUJOCO_GL": candidate, "PYOPENGL_PLATFORM": candidate, _CONFIRMED: candidate}
                os.environ.update(found | ({_EGL_DEVICE: device} if candidate == "egl" else {}))
                _logger.debug("offscreen renderer: %s", candidate)
                return candidate
            errors[candidate if device == "0" else f"{candidate}, device {device}"] = error
    tried = "; ".join(f"{name}: {error}" for name, error in errors.items())
    because = f" (MUJOCO_GL={explicit} allows no other)" if explicit else ""
    raise RendererNotFound(
        f"No offscreen renderer works{because}. {tried}. On Debian or Ubuntu install Mesa's EGL with `apt-get install "
        f"{' '.join(EGL_PACKAGES)}`, or the software renderer with `apt-get install {' '.join(OSMESA_PACKAGES)}`."
    )


def require_render_devices(devices: Sequence[int]) -> None:
    """Renders a frame on each of the graphics devices that workers are to be spread over.

    Args:
        devices: as EGL counts them, which knows nothing of ``CUDA_VISIBLE_DEVICES``.

    Raises:
        RendererNotFound: nothing renders on one of them, or the chosen renderer uses none.
    """
    if devices and os.environ["MUJOCO_GL"] != "egl":
        raise RendererNotFound(
            f"render_devices={tuple(devices)} are graphics devices, and {os.environ['MUJOCO_GL']} renders on the "
            "processor here: leave render_devices empty, or get EGL to work (MUJOCO_GL=egl says what is missing)."
        )
    for device in dict.fromkeys(devices):
        error = probe_error("egl", str(device))
        if error is not None:
            raise RendererNotFound(
                f"render_devices={tuple(devices)}: nothing renders on device {device} ({error}). Devices are counted "
                "from 0 as EGL does, those included that CUDA_VISIBLE_DEVICES hides; () leaves the choice to the "
                "renderer."
            )


def render_environments(devices: Sequence[int]) -> list[dict[str, str]]:
    """Environment variables of workers that render on `devices` in turn, as `WorkerPool` takes them.

    Args:
        devices: as EGL counts them; none leaves the choice to the renderer.
    """
    return [{_EGL_DEVICE: str(device)} for device in devices] or [{}]


def _egl_devices() -> list[str]:
    """The graphics devices to try, in order."""
    if _EGL_DEVICE in os.environ:
        return [os.environ[_EGL_DEVICE]]
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip()
    return list(dict.fromkeys([*([first] if first.isdecimal() else []), "0"]))  # others are UUIDs, or hide all
