"""Distance of demonstrations to the evaluation states and to the variants: whether training saw what judges it.

    python -m launch.audit_demos --config.run_dir=runs/NAME

Reads the demonstration files of a run and changes none; about 5 seconds a task, and as long as it takes to read them.
The result of each suite is in ``RUN_DIR/demos/SUITE/audit.json``.
"""

from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
    """Values of an audit; there are no variants."""
    if variant:
        raise ValueError(f"configs/audit_demos.py has no variants, got {variant!r}")
    config = ConfigDict()
    config.run_dir = "runs/default"
    # Suites to look at; () means all that the run has demonstrations of.
    config.suites = ()
    config.lock()
    return config
