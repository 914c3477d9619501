"""Finds an offscreen renderer that really works on this machine."""

import logging
import os
import subprocess
import sys
from typing import Literal

Renderer = Literal["egl", "osmesa"]

RENDERING_OFF = ("disable", "disabled", "off", "false", "0")
"""Values of ``MUJOCO_GL`` that ask for physics alone (MuJoCo's own list)."""

_CANDIDATES: tuple[Renderer, ...] = ("egl", "osmesa")
_CONFIRMED = "RSD_JAX_CONFIRMED_RENDERER"
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


def probe_error(renderer: Renderer) -> str | None:
    """Renders one frame in a process of its own, since a broken driver may abort it.

    Returns:
        None if the frame was rendered, else the last line that the attempt wrote.
    """
    environment = {**os.environ, "MUJOCO_GL": renderer, "PYOPENGL_PLATFORM": renderer}
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

    An explicit ``MUJOCO_GL`` is honoured: nothing else is tried. The result is kept in the environment, so that child
    processes do not try again. Must run before mujoco is imported.

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
        error = probe_error(candidate)
        if error is None:
            os.environ.update({"MUJOCO_GL": candidate, "PYOPENGL_PLATFORM": candidate, _CONFIRMED: candidate})
            _logger.debug("offscreen renderer: %s", candidate)
            return candidate
        errors[candidate] = error
    tried = "; ".join(f"{name}: {error}" for name, error in errors.items())
    because = f" (MUJOCO_GL={explicit} allows no other)" if explicit else ""
    raise RendererNotFound(
        f"No offscreen renderer works{because}. {tried}. On Debian or Ubuntu install Mesa's EGL with `apt-get install "
        f"{' '.join(EGL_PACKAGES)}`, or the software renderer with `apt-get install {' '.join(OSMESA_PACKAGES)}`."
    )
