#!/usr/bin/env bash
# Resolves setup.py's ranges into requirements/py3XX.lock, one per supported Python. Needs uv; run by `make lock`.
set -euo pipefail
cd "$(dirname "$0")/.."

resolve() {
    local python=$1 jax=$2
    echo "jax==${jax}" | uv pip compile setup.py requirements/server.in - \
        --extra dev --override requirements/overrides.txt --python-version "${python}" \
        --python-platform x86_64-manylinux_2_28 --no-emit-index-url --no-annotate --no-header --quiet \
        --output-file "requirements/py${python/./}.lock"
}

resolve 3.11 0.10.2
resolve 3.12 0.11.2
