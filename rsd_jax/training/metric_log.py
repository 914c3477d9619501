"""Metrics by flat slash name: JSON lines always, TensorBoard on request. A value that is not finite stops the run."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rsd_jax.atomic_files import write_atomically


class NonFiniteMetricError(FloatingPointError):
    """A metric became NaN or infinite."""

    def __init__(self, metric: str, value: float, step: int) -> None:
        """Names metric, value and step."""
        self.metric, self.step = metric, step
        super().__init__(
            f"metric {metric!r} is {value} at step {step}; training stopped before anything was saved from it. Usual "
            "causes: training.learning_rate too high, training.gradient_clip too loose, or bad rows in the data"
        )


def require_finite(metrics: Mapping[str, Any], step: int) -> None:
    """Checks all numbers in `metrics`, also those inside lists and dicts.

    Raises:
        NonFiniteMetricError: at the first NaN or infinity.
    """
    for name, value in metrics.items():
        _require_finite(name, value, step)


def _require_finite(name: str, value: Any, step: int) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise NonFiniteMetricError(name, value, step)
    if isinstance(value, Mapping):
        for key, item in value.items():
            _require_finite(f"{name}/{key}", item, step)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _require_finite(f"{name}/{index}", item, step)


class MetricLog:
    """Appends rows to ``metrics.jsonl`` in a stage's folder; does nothing on processes other than the primary."""

    def __init__(self, directory: Path, first_step: int, enabled: bool, tensorboard: bool) -> None:
        """Opens the log for a run that goes on after `first_step`.

        Args:
            directory: the stage's folder.
            first_step: rows of later steps are left from an interrupted run and removed: they will be written again.
            enabled: whether this process writes.
            tensorboard: also write TensorBoard events into ``tensorboard/``.

        Raises:
            ValueError: TensorBoard is asked for, and tensorboardX is not installed; or an earlier row is damaged.
        """
        self._file = None
        self._events = None
        # Found missing before the first step, and by every process alike.
        open_events = _summary_writer() if tensorboard else None
        if enabled:
            path = directory / "metrics.jsonl"
            _keep_rows_until(path, first_step)
            self._file = path.open("a")
            if open_events is not None:
                self._events = open_events(str(directory / "tensorboard"), purge_step=first_step + 1)

    def write(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Appends one row: ``{"step": step, name: value, ...}``; TensorBoard gets its numbers."""
        if self._file is not None:
            self._file.write(json.dumps({"step": step, **metrics}) + "\n")
            self._file.flush()
        if self._events is not None:
            for name, value in metrics.items():
                if isinstance(value, int | float):
                    self._events.add_scalar(name, value, step)

    def close(self) -> None:
        """Closes the files."""
        if self._file is not None:
            self._file.close()
        if self._events is not None:
            self._events.close()


def _summary_writer() -> Callable[..., Any]:
    """What writes TensorBoard's events, an optional package."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise ValueError(
            "config.tensorboard=True needs tensorboardX: pip install 'rsd_jax[tensorboard]', or leave it out; "
            "metrics.jsonl holds the same numbers"
        ) from error
    writer: Callable[..., Any] = SummaryWriter
    return writer


def _keep_rows_until(path: Path, step: int) -> None:
    if not path.exists():
        return
    kept = []
    # A killed process may leave an unfinished last line; it belongs to a step that will be repeated.
    *whole, _ = path.read_bytes().split(b"\n")
    for number, line in enumerate(whole, start=1):
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line.decode() + "\n")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number} is no row of metrics ({error!r}); mend the line, or move the file away: the "
                "training needs no earlier row"
            ) from error
    write_atomically(path, "".join(kept))
