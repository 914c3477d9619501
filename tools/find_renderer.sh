#!/usr/bin/env bash
# Prints the renderer (MUJOCO_GL) that really renders here: egl, else osmesa. Where none does and this is root on Debian
# or Ubuntu, installs Mesa's; elsewhere says which packages are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

find_renderer() {
    .venv/bin/python -m eval_bridge.simulators.libero.renderer
}

if find_renderer 2>/dev/null; then
    exit
fi
if [[ ${EUID} -eq 0 ]] && command -v apt-get >/dev/null; then
    echo "No working renderer: installing Mesa's with apt-get" >&2
    {
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends libegl1 libgl1 libgl1-mesa-dri
        # Newer releases have no OSMesa any more; there EGL is enough.
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends libosmesa6 || true
    } >&2
fi
find_renderer
