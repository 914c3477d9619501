"""What the stages of a run took and found, read from its folder."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval_bridge.evaluation.episode_log import read_episode_log
from eval_bridge.runs.run_record import pipeline_command, read_collections, read_identity, read_result
from rsd_jax.content_check import read_checked_json
from rsd_jax.run_folder import (
    DEMOS_FOLDER,
    HEADLINE,
    LOG_NAME,
    METRICS_NAME,
    RUN_RECORD,
    SUMMARY_NAME,
    TRAINED_STAGES,
    of_suite,
)
from rsd_jax.training.parts import read_parts


@dataclass(frozen=True)
class StageFacts:
    """One stage of a run.

    Attributes:
        seconds: of its processes, all pieces together, compiling included.
        device: what it computed on; None where that is not recorded.
        steps: optimizer steps, demonstrated steps or actions executed; None for a report.
        best_step: of a training, the step whose parameters were kept.
    """

    seconds: float
    device: str | None = None
    steps: int | None = None
    best_step: int | None = None


@dataclass(frozen=True)
class TrainedRun:
    """One training seed.

    Attributes:
        seed: of collection and training.
        demos_of: the run whose demonstrations it uses; empty for its own. The stage `collect` is that run's then.
        demonstrations: used. attempts: that it took to collect them.
        stages: by name, in order.
        metrics: of the trained stages, as they wrote them, by stage and without facts of the training.
        suites: that one policy learned together; empty for a run of one suite.
        parts: of those of its trainings that began with another run's weights, its own among them: fields of
            `TrainingPart`, stage by stage, the first part first. Seconds and demonstrations are each part's own.
    """

    seed: int
    demos_of: str
    demonstrations: int
    attempts: int
    stages: Mapping[str, StageFacts]
    metrics: Mapping[str, dict[str, Any]]
    suites: tuple[str, ...] = ()
    parts: Sequence[Mapping[str, Any]] = ()

    @property
    def seconds_to_report(self) -> float:
        """Sum over the stages from nothing to the headline's report, or to its reports of all suites."""
        return round(sum(self.stages[name].seconds for name in reported_stages(self.suites, self.stages)), 1)

    def training_json(self) -> dict[str, Any]:
        """JSON-serialisable form of all but the metrics."""
        return {
            "stages": {name: asdict(stage) for name, stage in self.stages.items()},
            "demonstrations": self.demonstrations,
            "demonstration_attempts": self.attempts,
            "demos_of": self.demos_of,
            "seconds_to_report": self.seconds_to_report,
            **({"suites": list(self.suites)} if self.suites else {}),
            **({"parts": list(self.parts)} if self.parts else {}),
        }


def reported_stages(suites: Sequence[str], made: Collection[str]) -> tuple[str, ...]:
    """The stages of a run from nothing to the headline's report, and of one of several `suites` to all of them.

    Args:
        suites: that one policy learned together; empty for a run of one suite.
        made: stages of the run, of which corrections count where it has some.
    """
    corrections = [name for name in _of_each("correct", suites) if name in made]
    return (*_of_each("collect", suites), *corrections, *TRAINED_STAGES, *_of_each("evaluate", suites))


def _of_each(name: str, suites: Sequence[str]) -> tuple[str, ...]:
    return tuple(of_suite(name, suite) for suite in suites or ("",))


def read_trained_run(run_dir: Path) -> TrainedRun:
    """What the record, the metrics, the collection and the evaluations of a run say.

    Raises:
        ValueError: a file or the time of a stage is missing; the message names it and what makes it.
    """
    command = pipeline_command(run_dir)
    record = read_result(run_dir / RUN_RECORD, command)
    demos_of = record.get("demos", "")
    seconds = dict(record.get("stage_seconds", {}))
    suites = read_identity(run_dir).suites
    if demos_of:
        seconds = {**_seconds_of_shared_demos(run_dir, suites), **seconds}
    if missing := [name for name in reported_stages(suites, seconds) if name not in seconds]:
        raise ValueError(f"{run_dir / RUN_RECORD} has no seconds of {', '.join(missing)}; finish the run: {command}")
    metrics = {name: dict(read_result(run_dir / name / METRICS_NAME, command)) for name in TRAINED_STAGES}
    training = {name: metrics[name].pop("training") for name in TRAINED_STAGES}
    collections = read_collections(run_dir)
    if not collections:
        raise ValueError(f"{run_dir / DEMOS_FOLDER} holds no SUITE/TASK_demo.json; finish the run: {command}")
    facts: dict[str, dict[str, Any]] = {
        of_suite(name, suite): {"steps": _steps_of(collections, suite, corrects)}
        for name, corrects in (("collect", False), ("correct", True))
        for suite in suites or ("",)
    }
    facts |= {
        **{name: {key: training[name][key] for key in ("device", "steps", "best_step")} for name in TRAINED_STAGES},
        **{name: _evaluation_facts(run_dir, name) for name in seconds if name.startswith("evaluate")},
    }
    return TrainedRun(
        seed=int(record["seed"]),
        demos_of=demos_of,
        demonstrations=sum(log["successes"] for log in collections),
        attempts=sum(log["attempts_made"] for log in collections),
        stages={name: StageFacts(spent, **facts.get(name, {})) for name, spent in seconds.items()},
        metrics=metrics,
        suites=suites,
        parts=[
            part for name in TRAINED_STAGES if "parts" in training[name] for part in read_parts(str(run_dir), name)
        ],
    )


def _seconds_of_shared_demos(run_dir: Path, suites: Sequence[str]) -> dict[str, float]:
    """Seconds of the stages of another run that collected the demonstrations which `run_dir` links to.

    That run may have collected several suites, of which `run_dir` learns one.
    """
    # By the links, and not by the recorded name, since both runs may have moved.
    links = [folder for folder in (run_dir / DEMOS_FOLDER).iterdir() if folder.is_symlink()]
    (source,) = {link.resolve().parent.parent for link in links}
    shared = read_result(source / RUN_RECORD, pipeline_command(source)).get("stage_seconds", {})
    if suites:
        return {name: shared[name] for name in _of_each("collect", suites) if name in shared}
    (suite,) = (link.name for link in links)
    seconds = shared.get("collect", shared.get(of_suite("collect", suite)))
    return {} if seconds is None else {"collect": seconds}


def _steps_of(collections: Sequence[Mapping[str, Any]], suite: str, corrects: bool) -> int:
    """Steps of a suite's demonstrations, or of its corrections; of all suites for ""."""
    return sum(
        log["steps"]
        for log in collections
        if (not suite or log["suite"] == suite) and ("takeover" in log.get("settings", {})) == corrects
    )


def _evaluation_facts(run_dir: Path, stage: str) -> dict[str, Any]:
    """Device and executed actions of an evaluation; nothing where it is gone."""
    folder = run_dir / stage.replace("evaluate", HEADLINE, 1)
    if not (folder / SUMMARY_NAME).is_file():
        return {}
    episodes = read_episode_log(folder / LOG_NAME).episodes.values()
    device = read_checked_json(folder / SUMMARY_NAME)["device"]
    return {"device": device, "steps": sum(episode.rollout.steps for episode in episodes)}
