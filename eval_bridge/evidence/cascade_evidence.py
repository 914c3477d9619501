"""What lies beside a cascade's evaluation and tells of the same cascade: calibrations of its threshold, its times."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from eval_bridge.policies.acting_settings import ActingSettings, acting_settings
from eval_bridge.policies.cascade_decoder import CascadeDecoder
from eval_bridge.policies.decoders import read_decoder
from eval_bridge.policies.fitted_settings import Facts, read_facts
from rsd_jax.run_folder import calibration_paths


class Timing(NamedTuple):
    """A cascade and the full decoder, timed in turns on one device (`launch.time_cascade`).

    Attributes:
        acts: the cascade. full_decoder: what was timed beside it.
        facts: all figures.
    """

    acts: ActingSettings
    full_decoder: str
    facts: Facts


def read_cascade(name: str, settings: str, source: Path) -> CascadeDecoder:
    """The cascade called `name`; raises ValueError, which names `source`, where it is none."""
    decoder = read_decoder(name, settings)
    if not isinstance(decoder, CascadeDecoder):
        raise ValueError(f"{source} is of decoder={name}, which drafts nothing before the main backbone has run")
    return decoder


def read_calibrations(run_dir: Path) -> list[Facts]:
    """What `launch.calibrate` keeps in a run's folder.

    Raises:
        ValueError: one is damaged, or was made of other checkpoints than the run has.
    """
    return [read_facts(path, run_dir, "python -m launch.calibrate") for path in calibration_paths(run_dir)]


def read_timings(paths: Sequence[Path], run_dir: Path, simulator: str, suite: str) -> list[Timing]:
    """What `launch.time_cascade` wrote.

    Raises:
        ValueError: one is missing, damaged, of another simulator or suite, or of other checkpoints than the run has.
    """
    timings = []
    for path in paths:
        facts = read_facts(path, run_dir, "python -m launch.time_cascade")
        for name, wanted in (("simulator", simulator), ("suite", suite)):
            if facts[name] != wanted:
                raise ValueError(f"--times={path} is of {name}={facts[name]}, and rows are of {wanted}: leave it out")
        decoder = read_cascade(facts["decoder"], facts["settings"], path)
        timings.append(Timing(acting_settings(decoder, run_dir), facts["full_decoder"], facts))
    return timings


def calibration_of(acts: ActingSettings, calibrations: Sequence[Facts], alpha: float, epsilon: float) -> Facts | None:
    """The calibration whose fitted rule acts so; None where there is none.

    Several risks may lead to one threshold: then it is that of `alpha` and `epsilon`, or else the first.
    """
    own = [each for each in calibrations if (each["decoder"], each["settings"]) == (acts.decoder, acts.written)]
    named = [each for each in own if (each["alpha"], each["epsilon"]) == (alpha, epsilon)]
    return next(iter(named or own), None)
