"""What an evaluation notes, and each record as a line of ``episodes.jsonl``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from eval_bridge.episodes.acceptance import EpisodeAcceptance
from eval_bridge.episodes.execution.timing import EpisodeTiming
from eval_bridge.episodes.rollout import ActionSummary, Rollout
from eval_bridge.evaluation.delays import LatencyProfile
from eval_bridge.policies.latency import Latency
from eval_bridge.simulators.perturbation.cases import Case


@dataclass(frozen=True)
class EpisodeRecord:
    """A finished episode and how it went; files are relative to the log.

    Attributes:
        case: how it was perturbed; None where nothing was, and no line tells it then.
    """

    kind: ClassVar[str] = "episode"
    suite: str
    task: str
    task_index: int
    episode: int
    seed: int
    decoder: str
    rollout: Rollout
    trace: str | None = None
    video: str | None = None
    case: Case | None = None


@dataclass(frozen=True)
class ErrorRecord:
    """An attempt that crashed. It is no failure of the policy: the episode has no result yet."""

    kind: ClassVar[str] = "error"
    suite: str
    task: str
    task_index: int
    episode: int
    attempt: int
    error: str
    traceback: str


@dataclass(frozen=True)
class SessionRecord:
    """Where and with what the lines that follow were made."""

    kind: ClassVar[str] = "session"
    started: str
    device: str
    commit: str | None
    versions: dict[str, str]


@dataclass(frozen=True)
class LatencyRecord:
    """Latency of the policy's stages in milliseconds, measured on `device`."""

    kind: ClassVar[str] = "latency"
    device: str
    repeats: int
    stages: dict[str, Latency]


@dataclass(frozen=True)
class SpeedRecord:
    """How fast a session ran its episodes: from the first one's start to the last one's end, resets included.

    Attributes:
        device: of the policy. workers: simulators at once.
        episodes: finished in `seconds`. steps: actions executed in them, settling not counted.
    """

    kind: ClassVar[str] = "speed"
    device: str
    workers: int
    episodes: int
    steps: int
    seconds: float


_NAMED = EpisodeAcceptance | ActionSummary | EpisodeTiming | Latency | Case

Record = EpisodeRecord | ErrorRecord | SessionRecord | LatencyRecord | SpeedRecord | LatencyProfile


def to_line(record: Record) -> dict[str, Any]:
    """A record as a JSON object, its kind first. What a rollout holds lies flat in the line of its episode."""
    line: dict[str, Any] = {"kind": record.kind}
    for name, value in vars(record).items():
        if name == "case" and value is None:  # lines of a time without it stay as they are
            continue
        line |= _rollout_fields(value) if isinstance(value, Rollout) else {name: _objects(value)}
    return line


def from_line(line: Mapping[str, Any]) -> Record:
    """The record that a line holds.

    Raises:
        KeyError: a field is missing, or no record is of this kind.
        TypeError: a field has another name, or holds something else.
    """
    fields = _tuples(dict(line))
    kind = fields.pop("kind")
    match kind:
        case EpisodeRecord.kind:
            case = fields.pop("case", None)
            return EpisodeRecord(**_with_rollout(fields), case=case and Case(**case))
        case LatencyRecord.kind:
            stages = {stage: Latency(**latency) for stage, latency in fields["stages"].items()}
            return LatencyRecord(**fields | {"stages": stages})
        case _:
            others = (ErrorRecord, SessionRecord, SpeedRecord, LatencyProfile)
            return {each.kind: each for each in others}[kind](**fields)


def _rollout_fields(rollout: Rollout) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in rollout._asdict().items():
        if name in Rollout._field_defaults and not value:  # lines of a time without it stay as they are
            continue
        if name == "rounds":
            fields["chunks"] = len(rollout.rounds)
        fields[name] = _objects(value)
    return fields


def _with_rollout(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an episode's line, those of its rollout gathered."""
    left = dict(fields)
    del left["chunks"]  # the length of `rounds`
    left = dict(Rollout._field_defaults) | left
    gathered = {name: left.pop(name) for name in Rollout._fields}
    gathered["acceptance"] = EpisodeAcceptance(**gathered["acceptance"])
    gathered["actions"] = ActionSummary(**gathered["actions"])
    gathered["timing"] = gathered["timing"] and EpisodeTiming(**gathered["timing"])
    return left | {"rollout": Rollout(**gathered)}


def _objects(value: Any) -> Any:
    """Named tuples as objects, also as values of one: JSON would make anonymous lists of them."""
    if isinstance(value, dict):
        return {name: _objects(item) for name, item in value.items()}
    return value._asdict() if isinstance(value, _NAMED) else value


def _tuples(value: Any) -> Any:
    """`value` with tuples in place of JSON's lists, at any depth."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return {name: _tuples(item) for name, item in value.items()} if isinstance(value, dict) else value
