"""Settings of a cascade that were fitted to a risk, from the calibration that keeps them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsd_jax.checkpoints.stage_checkpoints import changed_stages
from rsd_jax.run_folder import calibration_file

Facts = Mapping[str, Any]
"""Content of a JSON file that a command wrote."""


def fitted_settings(run_dir: Path, calibration: str, decoder: str) -> str:
    """``NAME=VALUE`` of `decoder` that lead to the fitted threshold.

    Args:
        run_dir: the run whose checkpoints act.
        calibration: name of one of its calibrations, such as ``confidence_alpha0.05_epsilon0.1``.
        decoder: the cascade that is to act by it.

    Raises:
        ValueError: there is no such calibration, it is damaged, of other checkpoints or another decoder, or found no
            threshold.
    """
    path = calibration_file(run_dir, calibration)
    facts = read_facts(path, run_dir, "python -m launch.calibrate")
    if facts["decoder"] != decoder:
        raise ValueError(
            f"calibration={calibration}: {path} is of decoder={facts['decoder']}, and {decoder} is to act"
        )
    if facts["settings"] is None:
        raise ValueError(f"calibration={calibration}: {path} found no threshold; watch more episodes, or allow more")
    return str(facts["settings"])


def read_facts(path: Path, run_dir: Path, command: str) -> Facts:
    """What a command found out about a run's cascade.

    Args:
        path: the file.
        run_dir: the run whose checkpoints it must tell of.
        command: that makes it, for messages.

    Raises:
        ValueError: it is missing or damaged, or tells of other checkpoints.
    """
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        checkpoints = dict(facts["checkpoints"])
    except FileNotFoundError as error:
        raise ValueError(f"{path} does not exist; {command} makes it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged or too old ({error!r}); make it again: {command}") from error
    if different := changed_stages(run_dir, checkpoints):
        raise ValueError(
            f"{path} is of another {', '.join(different)} than {run_dir} has: move it away, and make it again by "
            f"{command}"
        )
    return facts
