"""The file that holds the published figures of a suite: written from runs, read again for its tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from eval_bridge.evidence.fine_grained import Pooled
from eval_bridge.evidence.suite_rows import ACCEPTANCES, EvaluationRow, Paired
from eval_bridge.evidence.suite_section import Column
from eval_bridge.evidence.together import take_together
from eval_bridge.evidence.trained_run import StageFacts, TrainedRun
from eval_bridge.statistics.intervals import Interval

DEFINITIONS = {
    "interval": "95 %, of a success rate Wilson's score interval, of a paired difference a percentile bootstrap",
    "paired": "the seed's first row is the headline; over the episodes in common, difference = its success rate minus "
    "the other row's, b: episodes that the headline alone solved, c: the other alone, p_value: exact McNemar test",
    "seconds": "wall time of a stage's processes, compiling included, all pieces of an interrupted run together",
    "steps": "of trainings optimizer steps, of the collection demonstrated steps, of evaluations actions executed",
    "seconds_to_report": "sum over the stages from the collection to the headline's report",
}

OF_SEVERAL_SUITES = {"together": "all suites by one decoder; average = mean of the suites' success rates"}

OF_SEVERAL_PARTS = {
    "parts": "of a training that began with another run's weights: every part of every stage, the first one first"
}


def as_json(columns: Sequence[Column]) -> dict[str, Any]:
    """All figures: rows, training of every seed, metrics of the trained stages, and where they come from."""
    runs, headline = [run for run, _ in columns], columns[0][1][0]

    def metrics(stage: str) -> list[dict[str, Any]]:
        return [{"seed": run.seed, **run.metrics[stage]} for run in runs]

    return {
        "rows": [row.to_json() for _, rows in columns for row in rows],
        **_together(columns),
        "training": {
            "seeds": [run.seed for run in runs],
            **runs[0].training_json(),
            "further_seeds": [{"seed": run.seed, **run.training_json()} for run in runs[1:]],
        },
        "heads": {stage: metrics(stage) for stage in ("draft", "main_head")},
        "policy": metrics("policy"),
        "tokenizer": metrics("rfsq"),
        "commit": headline.commit,
        "versions": dict(headline.versions),
        "device": headline.device,
        "definitions": DEFINITIONS
        | (OF_SEVERAL_SUITES if columns[0][0].suites else {})
        | (OF_SEVERAL_PARTS if any(run.parts for run in runs) else {}),
    }


def _together(columns: Sequence[Column]) -> dict[str, Any]:
    """All suites of each run, where it has several."""
    if not columns[0][0].suites:
        return {}
    return {"together": [each.to_json() for _, rows in columns for each in take_together(rows)]}


def from_json(record: Mapping[str, Any]) -> list[Column]:
    """What `as_json` was given: each training seed with its evaluations; all rows get the headline's versions."""
    training = record["training"]
    stages = {**record["heads"], "policy": record["policy"], "rfsq": record["tokenizer"]}
    columns: list[Column] = []
    for seed, facts in zip(training["seeds"], (training, *training["further_seeds"]), strict=True):
        run = TrainedRun(
            seed=seed,
            demos_of=facts["demos_of"],
            demonstrations=facts["demonstrations"],
            attempts=facts["demonstration_attempts"],
            stages={name: StageFacts(**stage) for name, stage in facts["stages"].items()},
            metrics={name: _of_seed(metrics, seed) for name, metrics in stages.items()},
            suites=tuple(facts.get("suites", ())),
            parts=tuple(facts.get("parts", ())),
        )
        columns.append((run, [_row(row, record["versions"]) for row in record["rows"] if row["seed"] == seed]))
    return columns


def _of_seed(metrics: Sequence[Mapping[str, Any]], seed: int) -> dict[str, Any]:
    (own,) = (dict(entry) for entry in metrics if entry["seed"] == seed)
    del own["seed"]
    return own


def _row(row: Mapping[str, Any], versions: Mapping[str, str]) -> EvaluationRow:
    values = {name: value for name, value in row.items() if name not in ACCEPTANCES}
    pooled, paired = row["fine_grained"], row["paired"]
    values |= {
        "interval": Interval(*row["interval"]),
        "per_task": tuple(row["per_task"]),
        "fine_grained": pooled and Pooled(**_with_tuples(pooled, "tasks")),
        "paired": paired and Paired(**_with_tuples(paired, "warnings")),
    }
    return EvaluationRow(
        **values, acceptance={name: row[name] for name in ACCEPTANCES if name in row}, versions=versions
    )


def _with_tuples(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {**values, "interval": Interval(*values["interval"]), name: tuple(values[name])}
