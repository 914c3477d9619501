"""Facts that travel with a checkpoint, as readable JSON."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import rsd_jax
from rsd_jax.checkpoints.errors import DamagedCheckpointError, FormatVersionError
from rsd_jax.provenance import git_commit, library_versions

CHECKPOINT_FORMAT = 1
"""Version of what stands in a checkpoint's manifest, as ``format_version``."""


@dataclass(frozen=True)
class CheckpointMetadata:
    """What a checkpoint is, and how it came to be.

    Attributes:
        stage: ``rfsq``, ``policy``, ``draft`` or ``main_head``.
        step: optimizer steps done.
        config: what determined the run; a run is resumed only with an equal one.
        facts: of the stage, as JSON values; whoever loads it knows them as a dataclass.
        metrics: held-out evaluation of these variables; ``{}`` where there was none at this step.
        seconds: training time so far.
        versions: of Python and the libraries that wrote it.
        commit: git commit of the code, with ``-dirty`` after local changes; ``None`` outside a repository.
        parts: of a training that began with another's weights, those before it, the first one first: fields of
            `rsd_jax.training.parts.TrainingPart`. Nothing is written where there are none.
    """

    stage: str
    step: int
    config: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    versions: dict[str, str] = field(default_factory=library_versions)
    commit: str | None = field(default_factory=git_commit)
    parts: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """A JSON-serialisable dict; NumPy scalars and arrays become numbers and lists."""
        content = json_value({"format_version": CHECKPOINT_FORMAT, **asdict(self)})
        if not self.parts:
            del content["parts"]
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any], source: Path) -> "CheckpointMetadata":
        """Inverse of `to_json`.

        Raises:
            FormatVersionError: `content` was written in another format. `source` is named in the message.
            DamagedCheckpointError: it lacks a field, has one that does not exist, or one of another type.
        """
        content = dict(content)
        found = content.pop("format_version", None)
        if found != CHECKPOINT_FORMAT:
            versions = content.get("versions")
            writer = versions.get("rsd_jax", "unknown") if isinstance(versions, dict) else "unknown"
            raise FormatVersionError(
                f"checkpoint {source} has format version {found} (written by rsd_jax {writer}); rsd_jax "
                f"{rsd_jax.__version__} reads version {CHECKPOINT_FORMAT}. Train the stage again, or use the rsd_jax "
                "that wrote it"
            )
        try:
            metadata = cls(**content)
        except TypeError as error:
            raise DamagedCheckpointError(source, f"its metadata has other fields than it must ({error})") from error
        kinds = {"stage": str, "step": int, "config": dict, "facts": dict, "metrics": dict, "parts": list}
        for name, kind in kinds.items():
            if not isinstance(value := getattr(metadata, name), kind):
                raise DamagedCheckpointError(source, f"its metadata has {name} = {value!r}, no {kind.__name__}")
        return metadata


def json_value(value: Any) -> Any:
    """`value` as JSON gives it back: tuples become lists, NumPy numbers and arrays numbers and lists."""
    return json.loads(json.dumps(value, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray) or hasattr(value, "__array__"):
        return np.asarray(value).tolist()
    raise TypeError(f"metadata and metrics must be JSON values or arrays, got {type(value).__name__}: {value!r}")
