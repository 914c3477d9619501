"""Prints the renderer (a value for MUJOCO_GL) that really renders on this machine: egl, else osmesa.

    python tools/find_renderer.py
    python tools/find_renderer.py --no-install     # or the variable RSD_NO_INSTALL=1

Where MUJOCO_GL names one that works, it is that one. Only where nothing renders, root on Debian or Ubuntu gets Mesa's
installed: what and why is said first, and what is there already is not upgraded. Elsewhere, and where it is forbidden,
the error names the packages.
"""

import argparse
import os
import shutil
import subprocess
import sys

from eval_bridge.simulators.libero.renderer import EGL_PACKAGES, OSMESA_PACKAGES, RendererNotFound, choose_renderer

UPDATE = ("apt-get", "update", "-q")
INSTALL = ("apt-get", "install", "-q", "-y", "--no-install-recommends", "--no-upgrade")


def packages_to_install() -> list[tuple[str, ...]]:
    """What to install, one after the other until something renders: for what MUJOCO_GL names, or for both."""
    packages = {"egl": EGL_PACKAGES, "osmesa": OSMESA_PACKAGES}
    asked = os.environ.get("MUJOCO_GL", "").strip().lower()
    return [packages[name] for name in packages if asked in ("", name)]


def install_renderers() -> None:
    """Installs packages until something renders."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Standard output is kept for the answer.
    subprocess.run(UPDATE, stdout=sys.stderr, check=True)
    for packages in packages_to_install():
        print(f"installing {' '.join(packages)}", file=sys.stderr, flush=True)
        subprocess.run([*INSTALL, *packages], env=environment, stdout=sys.stderr, check=True)
        try:
            choose_renderer()
        except RendererNotFound as error:
            print(error, file=sys.stderr)
        else:
            return


def may_install(is_forbidden: bool) -> bool:
    """Whether packages may be installed: by root, unless it is forbidden or MUJOCO_GL names what none would help."""
    forbidden = is_forbidden or os.environ.get("RSD_NO_INSTALL", "") not in ("", "0")
    return not forbidden and bool(packages_to_install()) and os.geteuid() == 0 and shutil.which("apt-get") is not None


def main(arguments: list[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--no-install", action="store_true", help="install nothing; say what is missing")
    options = parser.parse_args(arguments)
    try:
        print(choose_renderer())
        return
    except RendererNotFound as error:
        if (other := works_instead()) is not None:
            asked = os.environ["MUJOCO_GL"]
            sys.exit(f"error: MUJOCO_GL={asked} renders nothing here, and {other} does: unset it, or name that one")
        if not may_install(options.no_install):
            sys.exit(f"error: {error}")
        first, *others = (" ".join(packages) for packages in packages_to_install())
        print(
            f"{error}\nFrames cannot be rendered without it, so this is run now: {' '.join(UPDATE)} && "
            f"{' '.join(INSTALL)} {first}"
            + "".join(f" (and if that does not help: {other})" for other in others)
            + "\nTo have nothing installed: --no-install, or RSD_NO_INSTALL=1.",
            file=sys.stderr,
            flush=True,
        )
    try:
        install_renderers()
        print(choose_renderer())
    except (subprocess.CalledProcessError, RendererNotFound) as error:
        sys.exit(f"error: {error}")


def works_instead() -> str | None:
    """Where MUJOCO_GL names what does not render: the renderer that does, if any."""
    asked = os.environ.pop("MUJOCO_GL", None)
    if asked is None:
        return None
    before = dict(os.environ)
    try:
        return choose_renderer()
    except RendererNotFound:
        return None
    finally:
        os.environ.clear()
        os.environ.update(before | {"MUJOCO_GL": asked})


if __name__ == "__main__":
    main(sys.argv[1:])
