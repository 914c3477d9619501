"""Imports LIBERO without prompts, messages, or files in the user's home folder."""

import contextlib
import importlib
import io
import logging
import os
import tempfile
from pathlib import Path

from eval_bridge.simulators.libero.renderer import choose_renderer


def import_libero(with_renderer: bool = True) -> None:
    """Prepares the process and imports libero, once; later calls return at once.

    Args:
        with_renderer: choose an offscreen renderer first (see `choose_renderer`). Without one, physics work and
            rendering fails for the life of the process; children of other kinds are not affected.

    Raises:
        RendererNotFound: a renderer is wanted, and none works.
        ImportError: LIBERO or one of its parts is not installed.
    """
    if with_renderer:
        choose_renderer()
    else:
        os.environ.setdefault("MUJOCO_GL", "disabled")
    _keep_caches_out_of_home()
    logging.getLogger("robosuite_logs").addFilter(_is_not_about_macros)
    with contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module("libero.libero.benchmark")
        importlib.import_module("libero.libero.envs")


def _keep_caches_out_of_home() -> None:
    """Directs what matplotlib, Mesa and numba would cache below the home folder to a folder for temporary files."""
    caches = Path(tempfile.gettempdir()) / f"rsd_jax_caches_{os.getuid()}"
    for variable, folder in {
        "MPLCONFIGDIR": "matplotlib",
        "MESA_SHADER_CACHE_DIR": "mesa",
    }.items():
        if variable not in os.environ:
            (caches / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
            os.environ[variable] = str(caches / folder)


def _is_not_about_macros(record: logging.LogRecord) -> bool:
    """False for robosuite's advice to run its set-up script, which LIBERO's users do not need."""
    return "macro" not in record.getMessage()
