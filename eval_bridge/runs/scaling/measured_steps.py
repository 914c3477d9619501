"""Steps that were timed on one and two devices: from the scaling benchmark's file, or as they were written down."""

import json
from collections.abc import Sequence
from pathlib import Path

from rsd_jax.distributed.cost_model.fit import MeasuredStep


def read_measured(path: Path) -> list[MeasuredStep]:
    """The rows of the file of `tests.benchmarks.scaling`.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds no such rows.
    """
    record = json.loads(path.read_text(encoding="utf-8"))
    rows = record.get("rows", []) if isinstance(record, dict) else []
    try:
        steps = [MeasuredStep(*(row[name] for name in MeasuredStep._fields)) for row in rows]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path} holds rows without {error}; they need {', '.join(MeasuredStep._fields)}: make them by python -m "
            "tests.benchmarks.scaling --out FILE"
        ) from error
    if not steps:
        raise ValueError(f"{path} holds no rows; make them by python -m tests.benchmarks.scaling --out FILE")
    return steps


def parse_measured(texts: Sequence[str], rows: int) -> list[MeasuredStep]:
    """Steps as ``DEVICES:SAMPLES_A_SECOND[:ROWS_A_DEVICE[:PROCESSES]]``.

    Args:
        texts: one a step.
        rows: of a device, where a text gives none.

    Raises:
        ValueError: a text is not of this form.
    """
    return [_parse(text, rows) for text in texts]


def _parse(text: str, rows: int) -> MeasuredStep:
    devices, samples, own, processes, *more = [*text.split(":"), "", "", ""]
    try:
        if any(more):
            raise ValueError(f"{more[0]!r} is one part too many")
        count = int(devices)
        return MeasuredStep(count, int(own or rows) * count, float(samples), int(processes or 1))
    except ValueError as error:
        raise ValueError(
            f"--measured is {text!r}; it must be DEVICES:SAMPLES_A_SECOND[:ROWS_A_DEVICE[:PROCESSES]], such as "
            "2:35800 or 2:28700:128:2"
        ) from error
