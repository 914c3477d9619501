"""Compiled programs outlive their process: the next one of this user that needs them does not compile them again.

JAX writes an entry of its cache under the name by which others read it. So every process has a folder of its own,
with links to the entries that are there, and moves its new ones among them when they are whole: nobody meets half an
entry, not even of a process that was killed while it wrote.
"""

import atexit
import hashlib
import logging
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import jax

logger = logging.getLogger(__name__)

LEAST_SECONDS = 0.2
"""Programs that compile faster are not kept."""

_OWN, _ENTRY = ".of_", "*-cache"
_SECONDS_UNTIL_SHARED = 30.0
_SECONDS_OF_WRITING = 2.0
_SECONDS_OF_A_DAY = 86400.0
_DAYS_UNUSED, _DAYS_OF_A_PROCESS = 60, 7


def keep_compiled_programs() -> None:
    """Keeps what is compiled from now on in ``$XDG_CACHE_HOME/rsd_jax``, by default ``~/.cache/rsd_jax``.

    JAX's own variables have the last word: ``JAX_COMPILATION_CACHE_DIR`` names another folder, and
    ``JAX_ENABLE_COMPILATION_CACHE=false`` keeps nothing. A folder that cannot be written is told of in the log.
    """
    values = jax.config.values
    if not values["jax_enable_compilation_cache"] or values["jax_compilation_cache_dir"]:
        return
    try:
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        _forget_unused(folder)
        own = Path(tempfile.mkdtemp(prefix=_OWN, dir=folder))
        for entry in folder.glob(_ENTRY):
            (own / entry.name).symlink_to(entry)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        logger.info("compiled programs are not kept (%s); name a folder in JAX_COMPILATION_CACHE_DIR", error)
        return
    jax.config.update("jax_compilation_cache_dir", str(own))
    # XLA's own caches would lie in this process's folder, whose name JAX counts among what a program depends on.
    jax.config.update("jax_persistent_cache_enable_xla_caches", "none")
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)
    # Also for those who are killed later.
    sharing = threading.Timer(_SECONDS_UNTIL_SHARED, _share, (own, folder, _SECONDS_OF_WRITING))
    sharing.daemon = True
    sharing.start()
    atexit.register(_leave, own, folder)


def _folder() -> Path:
    """Of this JAX and this kind of processor: what was compiled for another may not run here."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "rsd_jax" / f"compiled-{jax.__version__}-{_processor_digest()}"


def _processor_digest() -> str:
    try:
        information = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except FileNotFoundError:
        return "any"
    lines = {line for line in information.splitlines() if line.startswith(("model name", "flags", "Features"))}
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:8]


def _forget_unused(folder: Path) -> None:
    """Removes entries that nobody has read for long, and what killed processes have left."""
    now = time.time()
    for entry in folder.glob(_ENTRY):
        if now - entry.stat().st_atime > _DAYS_UNUSED * _SECONDS_OF_A_DAY:
            entry.unlink(missing_ok=True)
    for own in folder.glob(f"{_OWN}*"):
        if now - own.stat().st_mtime > _DAYS_OF_A_PROCESS * _SECONDS_OF_A_DAY:
            shutil.rmtree(own, ignore_errors=True)


def _share(own: Path, folder: Path, least_age: float = 0.0) -> None:
    """Moves new entries to where all find them; not those that are so young that they may still be written."""
    for entry in own.glob(_ENTRY):
        if not entry.is_symlink() and time.time() - entry.stat().st_mtime >= least_age:
            entry.replace(folder / entry.name)


def _leave(own: Path, folder: Path) -> None:
    _share(own, folder)
    shutil.rmtree(own, ignore_errors=True)
