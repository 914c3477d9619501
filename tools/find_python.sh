#!/usr/bin/env bash
# Prints the path of a supported Python (3.11 or 3.12). Only $PYTHON is asked if it is set.
set -euo pipefail

for candidate in ${PYTHON:-python3.11 python3.12 python3 python}; do
    # A launcher can exist and refuse to run, so it's asked, not looked up.
    if "${candidate}" -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12)})' 2>/dev/null; then
        "${candidate}" -c 'import sys; print(sys.executable)'
        exit
    fi
done
found=$("${PYTHON:-python3}" --version 2>/dev/null || echo "no working ${PYTHON:-python3}")
echo "rsd_jax needs CPython 3.11 or 3.12, and found ${found}." >&2
echo "Install one (Debian, Ubuntu: apt-get install python3.11 python3.11-venv), or name it: make PYTHON=/path/to/python3.11" >&2
exit 1
