"""Imports LIBERO without prompts, messages, or files in the user's home folder."""

import contextlib
import importlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from eval_bridge.simulators.libero.renderer import RENDERING_OFF, choose_renderer

_LIBERO = "libero.libero.envs"


def import_libero() -> None:
    """Prepares the process and imports libero; later calls return at once.

    An offscreen renderer is chosen first, because mujoco and robosuite fix it when they are imported, unless
    ``MUJOCO_GL=disabled`` asks for physics alone.

    Raises:
        RendererNotFound: no renderer works.
        ImportError: LIBERO or one of its parts is not installed.
    """
    if _LIBERO in sys.modules:
        return
    if os.environ.get("MUJOCO_GL", "").lower() not in RENDERING_OFF:
        choose_renderer()
    _keep_caches_out_of_home()
    logging.getLogger("robosuite_logs").addFilter(_is_not_about_macros)
    logging.getLogger("OpenGL").setLevel(logging.WARNING)  # it informs about accelerators that are not installed
    with quiet():
        importlib.import_module(_LIBERO)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what LIBERO and its parts print and warn of, while being imported or built, from the user."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _keep_caches_out_of_home() -> None:
    """Directs what matplotlib and Mesa would cache below the home folder to a folder for temporary files."""
    caches = Path(tempfile.gettempdir()) / f"rsd_jax_caches_{os.getuid()}"
    for variable, folder in {"MPLCONFIGDIR": "matplotlib", "MESA_SHADER_CACHE_DIR": "mesa"}.items():
        if variable not in os.environ:
            (caches / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
            os.environ[variable] = str(caches / folder)


def _is_not_about_macros(record: logging.LogRecord) -> bool:
    """False for robosuite's advice to run its set-up script, which LIBERO's users do not need."""
    return "macro" not in record.getMessage()
