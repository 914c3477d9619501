#!/usr/bin/env bash
# Makes the virtual environment .venv from the lock file of its Python. Safe to repeat, also after an interruption.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(tools/find_python.sh)
version=$("${python}" -c 'import sys; print("{}{}".format(*sys.version_info))')
lock="requirements/py${version}.lock"

if ! .venv/bin/python -c "import sys; sys.exit('{}{}'.format(*sys.version_info) != '${version}')" 2>/dev/null; then
    echo "Making .venv with ${python}"
    rm -rf .venv
    "${python}" -m venv .venv || {
        echo "${python} cannot make a virtual environment (Debian, Ubuntu: apt-get install python3-venv)." >&2
        exit 1
    }
fi

echo "Installing ${lock} (about 3 GB on disk; a few minutes)"
export PIP_DISABLE_PIP_VERSION_CHECK=1
# The lock is complete, so nothing is resolved. Its setuptools builds the packages that come as source. Modules are
# compiled afterwards, on all cores: pip would compile one after the other. What does not compile, as modules for later
# Pythons do not, is nobody's loss: an import compiles, too.
.venv/bin/python -m pip install -qq --no-compile --no-deps $(grep '^setuptools==' "${lock}")
.venv/bin/python -m pip install -qq --no-compile --no-deps --no-build-isolation --requirement "${lock}"
.venv/bin/python -m pip install -qq --no-deps --no-build-isolation --editable .
packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
.venv/bin/python -m compileall -qq -j 0 "${packages}" || true
touch .venv/installed
