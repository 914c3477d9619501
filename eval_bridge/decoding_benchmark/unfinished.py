"""A benchmark that was interrupted goes on with the batch sizes that it lacks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval_bridge.decoding_benchmark.rows import BatchMeasurement
from rsd_jax.atomic_files import write_json


class UnfinishedBenchmark:
    """What has been measured so far, in a file.

    Attributes:
        measured: by batch size; of another benchmark's file, or of none, nothing.
    """

    measured: dict[int, BatchMeasurement]

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        """Reads what there is.

        Args:
            path: of the file.
            identity: settings, code, versions and device; what was measured under another one is measured anew.
        """
        # As JSON holds it, where a tuple is a list.
        self._path, self._identity = path, json.loads(json.dumps(identity))
        self.measured = {}
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if content.get("identity") == self._identity:
            self.measured = {
                int(batch): BatchMeasurement.from_json(each) for batch, each in content["batches"].items()
            }

    def keep(self, batch: int, found: BatchMeasurement) -> None:
        """Adds what was measured at a batch size."""
        self.measured[batch] = found
        batches = {str(size): each.to_json() for size, each in self.measured.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self._path, {"identity": self._identity, "batches": batches})
