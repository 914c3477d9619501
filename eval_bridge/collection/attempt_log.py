"""What a collection has tried so far: a JSON file beside the demonstrations that is also its summary."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsd_jax.content_check import read_checked_json, write_checked_json


@dataclass(frozen=True)
class Attempt:
    """One episode of the expert.

    Attributes:
        seed: of the random start.
        is_success: whether it became a demonstration.
        steps: its number of steps.
        seconds: what it took, rendering included.
        reason: why it failed; empty for a success.
        style: how it was done, see `StyleRecord.values`; empty if that is not known.
        layout: in which layout of the scene, see `DrawnStart.layout`; empty for the task's own.
        refused_looks: why looks were drawn again -> how often.
    """

    seed: int
    is_success: bool
    steps: int
    seconds: float
    reason: str = ""
    style: Mapping[str, Any] = field(default_factory=dict)
    layout: Mapping[str, Any] = field(default_factory=dict)
    refused_looks: Mapping[str, int] = field(default_factory=dict)

    @property
    def refused_layouts(self) -> Mapping[str, int]:
        """Why layouts were drawn again -> how often."""
        return dict(self.layout.get("refused", {}))


def count_refused(attempts: Iterable[Attempt]) -> dict[str, dict[str, int]]:
    """``refused_layouts`` and ``refused_looks``: why they were drawn again -> how often, over all attempts.

    The most frequent reason is the first; what was never drawn again is left out.
    """
    counts: dict[str, Counter[str]] = {"refused_layouts": Counter(), "refused_looks": Counter()}
    for attempt in attempts:
        counts["refused_layouts"].update(attempt.refused_layouts)
        counts["refused_looks"].update(attempt.refused_looks)
    return {name: dict(reasons.most_common()) for name, reasons in counts.items() if reasons}


@dataclass
class CollectionLog:
    """All attempts for one demonstration file.

    Attributes:
        path: the JSON file.
        settings: what determines the content of a demonstration besides its seed; JSON values.
        provenance: versions and the like; JSON values.
        attempts: by seed.
    """

    path: Path
    settings: dict[str, Any]
    provenance: Mapping[str, Any]
    attempts: dict[int, Attempt] = field(default_factory=dict)

    @staticmethod
    def open(path: Path, settings: dict[str, Any], provenance: Mapping[str, Any]) -> "CollectionLog":
        """Goes on with the log at `path` if there is one.

        Raises:
            ValueError: the file is damaged or no log, or its collection had other settings.
        """
        log = CollectionLog(path, settings, provenance)
        if not path.exists():
            return log
        try:
            stored = read_checked_json(path)
            earlier = stored["settings"]
            attempts = [Attempt(**attempt) for attempt in stored["attempts"]]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} is no summary of a collection ({error!r}); move it away") from error
        if earlier != json.loads(json.dumps(settings)):
            changed = sorted(key for key in {*earlier, *settings} if earlier.get(key) != settings.get(key))
            differences = ", ".join(f"{key} = {earlier.get(key)!r}, now {settings.get(key)!r}" for key in changed)
            raise ValueError(
                f"{path}: the demonstrations there were collected with other settings ({differences}); "
                f"use the same settings or another run_dir"
            )
        log.attempts = {attempt.seed: attempt for attempt in attempts}
        return log

    def add(self, attempt: Attempt) -> None:
        """Notes an attempt and writes the file; a kill at any moment leaves the old or the new file, whole.

        Raises:
            OSError: the folder cannot be written, or is full.
        """
        self.attempts[attempt.seed] = attempt
        self.save()

    def save(self) -> None:
        """Writes the file. Raises `OSError` as `add` does."""
        write_checked_json(self.path, self.summary())

    def summary(self) -> dict[str, Any]:
        """Counts, sums, settings, provenance and every attempt, as JSON values."""
        attempts = [self.attempts[seed] for seed in sorted(self.attempts)]
        successes = [attempt for attempt in attempts if attempt.is_success]
        return {
            "attempts_made": len(attempts),
            "successes": len(successes),
            "steps": sum(attempt.steps for attempt in successes),
            "seconds": round(sum(attempt.seconds for attempt in attempts), 1),
            "failed_seeds": [attempt.seed for attempt in attempts if not attempt.is_success],
            **count_refused(attempts),
            "settings": self.settings,
            **self.provenance,
            "attempts": [dataclasses.asdict(attempt) for attempt in attempts],
        }
