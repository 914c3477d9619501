#!/usr/bin/env bash
# Resolves setup.py's ranges into requirements/py3XX.lock, one per supported Python, and what JAX needs for NVIDIA's GPUs
# beside it into requirements/cudaNN-py3XX.lock. Needs uv; run by `make lock`.
set -euo pipefail
cd "$(dirname "$0")/.."

options=(--python-platform x86_64-manylinux_2_28 --no-emit-index-url --no-annotate --no-header --quiet)

resolve() {
    local python=$1 jax=$2
    local lock="requirements/py${python/./}.lock"
    echo "jax==${jax}" | uv pip compile setup.py requirements/server.in - \
        --extra dev --override requirements/overrides.txt --python-version "${python}" "${options[@]}" \
        --output-file "${lock}"
    for cuda in 12 13; do
        echo "jax[cuda${cuda}]==${jax}" | uv pip compile - --constraint "${lock}" --python-version "${python}" \
            "${options[@]}" | grep -E '^(jax-cuda|nvidia-)' > "requirements/cuda${cuda}-py${python/./}.lock"
    done
}

resolve 3.11 0.10.2
resolve 3.12 0.11.2
