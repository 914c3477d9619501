"""``episodes.jsonl``: what an evaluation has found so far, one JSON object a line, only ever appended to.

Every line is on disk before the next episode starts, so a killed evaluation loses at most the episode it was in. The
first line is the evaluation's identity; a log takes episodes of that identity only, because a success rate over two
checkpoints is the success rate of neither. As long as there is no episode, an identity binds nobody (a start may fail
by an installation that is then repaired): another one begins the log anew, and what stands before it counts no more.

Every line ends with a check of itself (`rsd_jax.content_check`); those of earlier versions have none and are read.
Behind a line with a check none stands without, since earlier versions cannot go on with such a log.
"""

import dataclasses
import json
import logging
import os
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from eval_bridge.evaluation.delays import LatencyProfile
from eval_bridge.evaluation.plan import EpisodeId
from eval_bridge.evaluation.records import (
    EpisodeRecord,
    ErrorRecord,
    LatencyRecord,
    Record,
    SessionRecord,
    SpeedRecord,
    from_line,
    to_line,
)
from rsd_jax.content_check import CHECK, AlteredContentError, with_check, without_check
from rsd_jax.folder_lock import InUseError, in_use

CHECKPOINT = "checkpoint."
"""In a log's identity, before the name of each stage whose checkpoint acted."""

REQUIRED = ("simulator", "suite", "step_limit", "decoder", "seed")
"""What every identity tells; summaries and comparisons read it."""

_IDENTITY = "evaluation"  # kind of the line that says of which evaluation the log is

_LOGGER = logging.getLogger(__name__)


class EpisodeLogError(ValueError):
    """An episode log that cannot be used: damaged, of another evaluation, or in use."""


@dataclass
class LogContents:
    """Everything a log holds.

    Attributes:
        identity: what all its episodes have in common; None for a log without lines.
        episodes: finished episodes. errors: crashed attempts, in order. sessions: in order. latency: the last one.
        speeds: of all sessions that ran their episodes to the end, in order.
        profile: that delays are drawn from; None where none is.
    """

    identity: dict[str, Any] | None = None
    episodes: dict[EpisodeId, EpisodeRecord] = field(default_factory=dict)
    errors: list[ErrorRecord] = field(default_factory=list)
    sessions: list[SessionRecord] = field(default_factory=list)
    latency: LatencyRecord | None = None
    speeds: list[SpeedRecord] = field(default_factory=list)
    profile: LatencyProfile | None = None

    @property
    def checkpoints(self) -> dict[str, str]:
        """Digests of the checkpoints that acted, by stage."""
        return {
            name.removeprefix(CHECKPOINT): digest
            for name, digest in (self.identity or {}).items()
            if name.startswith(CHECKPOINT)
        }

    def add(self, record: Record) -> None:
        """Files `record` under its kind."""
        match record:
            case EpisodeRecord():
                self.episodes[EpisodeId(record.task_index, record.episode)] = record
            case ErrorRecord():
                self.errors.append(record)
            case SessionRecord():
                self.sessions.append(record)
            case LatencyRecord():
                self.latency = record
            case SpeedRecord():
                self.speeds.append(record)
            case LatencyProfile():
                self.profile = record

    def restricted_to(self, planned: Collection[EpisodeId]) -> "LogContents":
        """What this log holds of the `planned` episodes; it may hold others, of an earlier and larger plan."""
        episodes = {episode: record for episode, record in self.episodes.items() if episode in planned}
        errors = [error for error in self.errors if EpisodeId(error.task_index, error.episode) in planned]
        return dataclasses.replace(self, episodes=episodes, errors=errors)

    def unresolved(self) -> dict[EpisodeId, ErrorRecord]:
        """Last error of every episode that crashed and has no result."""
        last = {EpisodeId(error.task_index, error.episode): error for error in self.errors}
        return {episode: error for episode, error in last.items() if episode not in self.episodes}


class EpisodeLog:
    """An open log: `contents` so far, and `append`. A context manager; one process at a time."""

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        """Opens or creates the log at `path` for the evaluation that `identity` describes.

        Args:
            path: the file; its folder is created.
            identity: flat, JSON-serialisable: everything that must be equal for two episodes to be counted together.

        Raises:
            EpisodeLogError: another process has it open, a line is damaged, or it has another evaluation's episodes.
            OSError: the folder cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._use = ExitStack()
        self._file: IO[bytes] = path.open("a+b")
        try:
            self._lock()
            self._file.seek(0)
            data = self._file.read()
            self.contents, valid_length = _parse(path, data)
            if valid_length < len(data):
                _LOGGER.warning("%s ends in a torn line; it is dropped, and its episode is run again.", path)
                self._file.truncate(valid_length)
            if self.contents.episodes:
                _check_same_evaluation(path, self.contents.identity or {}, identity)
            elif self.contents.identity != _as_json(identity):
                self.contents = LogContents(dict(identity))
                self._write({"kind": _IDENTITY, "identity": self.contents.identity})
        except BaseException:
            self.close()
            raise

    def append(self, record: Record) -> None:
        """Writes `record` and waits until it is on disk.

        Raises:
            OSError: it could not be written (a full disk); the log then ends where it ended before.
        """
        self._write(to_line(record))
        self.contents.add(record)

    def close(self) -> None:
        """Closes the file and lets other processes use it."""
        self._file.close()
        self._use.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            self._use.enter_context(in_use(self.path))
        except InUseError as error:
            raise EpisodeLogError(str(error)) from error

    def _write(self, line: Mapping[str, Any]) -> None:
        length = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(json.dumps(with_check(line), allow_nan=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(length)
            raise


def read_episode_log(path: Path) -> LogContents:
    """Reads a log without opening it for writing; a torn last line is left out, and said.

    Raises:
        EpisodeLogError: it is missing, or a line is damaged.
    """
    if not path.is_file():
        raise EpisodeLogError(f"{path} does not exist; `python -m launch.evaluate` makes it.")
    data = path.read_bytes()
    contents, valid_length = _parse(path, data)
    if valid_length < len(data):
        _LOGGER.warning("%s ends in a torn line, which is left out; the same evaluation runs its episode again.", path)
    return contents


def _parse(path: Path, data: bytes) -> tuple[LogContents, int]:
    """Contents of a log, and how many of its bytes are whole lines."""
    contents = LogContents()
    position, is_checked = 0, False
    for number, line in enumerate(data.split(b"\n"), start=1):
        end = position + len(line)
        if end == len(data):  # without a line end: torn, or whole and the next line would be glued to it
            break
        try:
            value = _object(line)
            contents = _with_line(contents, without_check(value))
            if is_checked and CHECK not in value:
                raise AlteredContentError("it has lost its check")
            is_checked = CHECK in value
        except AlteredContentError as error:
            raise EpisodeLogError(
                f"{path}, line {number} is damaged: {error}. Put back an intact copy, or {_way_on(number)}."
            ) from error
        except ValueError as error:
            raise EpisodeLogError(f"{path}, line {number} is no JSON; {_way_on(number)}.") from error
        except (KeyError, TypeError, AttributeError) as error:
            raise EpisodeLogError(
                f"{path}, line {number} is not a record of this version ({error!r}); move the file away to start anew."
            ) from error
        position = end + 1
    return contents, position


def _way_on(line: int) -> str:
    """What can be done about a damaged line."""
    return "move the file away to start anew" if line == 1 else "remove that line to run its episode again"


def _object(line: bytes) -> dict[str, Any]:
    """What a line of a log holds.

    Raises:
        ValueError: it is no JSON. TypeError: it is no object.
    """
    value = json.loads(line)
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no object")
    return value


def _with_line(contents: LogContents, line: Mapping[str, Any]) -> LogContents:
    """What a log holds with one more line; those of an evaluation that came to no episode are left behind."""
    if line["kind"] != _IDENTITY:
        if contents.identity is None:
            raise TypeError("it stands where the evaluation's identity must")
        contents.add(from_line(line))
        return contents
    identity = line["identity"]
    if line.keys() != {"kind", "identity"} or not isinstance(identity, dict):
        raise TypeError(f"an identity is an object and stands alone, not beside {', '.join(sorted(line))}")
    if missing := [name for name in REQUIRED if name not in identity]:
        raise TypeError(f"the identity lacks {', '.join(missing)}")
    if identity == contents.identity:
        return contents
    if contents.episodes:
        raise TypeError("the identity of another evaluation, behind episodes")
    return LogContents(identity)


def _check_same_evaluation(path: Path, logged: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    asked = _as_json(asked)
    different = [name for name in sorted({*logged, *asked}) if logged.get(name) != asked.get(name)]
    if different:
        found = "; ".join(f"{name}: {logged.get(name)!r} there, {asked.get(name)!r} now" for name in different)
        raise EpisodeLogError(
            f"{path} holds episodes of another evaluation ({found}). Episodes of both cannot be counted together: "
            "give this one a folder of its own with --config.output=NAME, or move the old folder away."
        )


def _as_json(identity: Mapping[str, Any]) -> dict[str, Any]:
    """As it would come back from a log."""
    return dict(json.loads(json.dumps(dict(identity))))
