"""Prints the renderer (a value for MUJOCO_GL) that really renders on this machine: egl, else osmesa.

Where none does, root on Debian or Ubuntu gets Mesa's installed first; elsewhere the error names the packages.
"""

import os
import shutil
import subprocess
import sys

from eval_bridge.simulators.libero.renderer import EGL_PACKAGES, OSMESA_PACKAGES, RendererNotFound, choose_renderer


def install_renderers() -> None:
    """Installs EGL's packages, and OSMesa's only if EGL renders nothing afterwards."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Standard output is kept for the answer.
    subprocess.run(["apt-get", "update", "-q"], stdout=sys.stderr, check=True)
    for packages in (EGL_PACKAGES, OSMESA_PACKAGES):
        print(f"installing {' '.join(packages)}", file=sys.stderr)
        command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
        subprocess.run(command, env=environment, stdout=sys.stderr, check=True)
        try:
            choose_renderer()
        except RendererNotFound as error:
            print(error, file=sys.stderr)
        else:
            return


def main() -> None:
    """Command line."""
    try:
        print(choose_renderer())
        return
    except RendererNotFound as error:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            sys.exit(f"error: {error}")
        print(error, file=sys.stderr)
    try:
        install_renderers()
        print(choose_renderer())
    except (subprocess.CalledProcessError, RendererNotFound) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
