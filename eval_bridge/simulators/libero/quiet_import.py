"""Imports LIBERO without prompts or messages, from the installed files alone, and with no file written elsewhere."""

import contextlib
import importlib
import importlib.util
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from eval_bridge.simulators.libero.installed_files import require_installed_libero, use_installed_files
from eval_bridge.simulators.libero.renderer import RENDERING_OFF, choose_renderer, require_render_devices
from eval_bridge.simulators.libero.scratch_folders import use_scratch_folders

_LIBERO = "libero.libero.envs"


def prepare_process(*, rendering: bool, render_devices: Sequence[int] = ()) -> None:
    """Prepares this process, and those that it starts, for LIBERO. Commands do so once, before they start workers.

    Args:
        rendering: whether frames will be rendered; then the renderer is chosen.
        render_devices: graphics devices, as EGL counts them, that they will be rendered on.

    Raises:
        RendererNotFound: no renderer works, or nothing renders on one of the devices.
        ForeignLibero: another LIBERO than the installed one would be imported.
        MissingSimulatorPackage: LIBERO, or one of its parts, is not installed.
    """
    require_installed_libero()
    use_installed_files()
    use_scratch_folders()
    if rendering:
        choose_renderer()
        require_render_devices(render_devices)


def import_libero() -> None:
    """Prepares the process and imports libero; later calls return at once.

    An offscreen renderer is chosen first, because mujoco and robosuite fix it when they are imported, unless
    ``MUJOCO_GL=disabled`` asks for physics alone.

    Raises:
        RendererNotFound: no renderer works.
        ForeignLibero: another LIBERO than the installed one would be imported.
        MissingSimulatorPackage: LIBERO, or one of its parts, is not installed.
        ImportError: one of them cannot be imported.
    """
    if _LIBERO in sys.modules:
        return
    prepare_process(rendering=os.environ.get("MUJOCO_GL", "").lower() not in RENDERING_OFF)
    _set_robosuite()
    logging.getLogger("robosuite_logs").addFilter(_is_not_about_macros)
    logging.getLogger("OpenGL").setLevel(logging.WARNING)  # it informs about accelerators that are not installed
    with quiet(), _without_cuda_devices():
        importlib.import_module(_LIBERO)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what LIBERO and its parts print and warn of, while being imported or built, from the user."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _set_robosuite() -> None:
    """Changes two of robosuite's settings, which it reads while it is imported.

    It would log to one file of all users of the machine, ``/tmp/robosuite.log``, which only the first of them can
    write; and set ``MUJOCO_GL`` to EGL where it asks for physics alone.
    """
    package = importlib.util.find_spec("robosuite")
    assert package is not None
    assert package.origin is not None
    spec = importlib.util.spec_from_file_location("robosuite.macros", Path(package.origin).with_name("macros.py"))
    assert spec is not None
    assert spec.loader is not None
    settings = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(settings)
    settings.FILE_LOGGING_LEVEL, settings.MUJOCO_GPU_RENDERING = None, False  # type: ignore[attr-defined]
    sys.modules[spec.name] = settings


@contextlib.contextmanager
def _without_cuda_devices() -> Iterator[None]:
    """While robosuite is imported: it refuses graphics devices not in CUDA's list, as if both were counted alike."""
    hidden = os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    try:
        yield
    finally:
        if hidden is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = hidden


def _is_not_about_macros(record: logging.LogRecord) -> bool:
    """False for robosuite's advice to run its set-up script, which LIBERO's users do not need."""
    return "macro" not in record.getMessage()
