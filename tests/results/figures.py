"""What must hold between the figures of one results file: whatever follows from counts is computed again from them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from math import isclose, nan
from typing import Any

import numpy as np

from eval_bridge.evidence.trained_run import reported_stages
from eval_bridge.statistics.intervals import wilson_interval
from eval_bridge.statistics.paired import PairedCounts, bootstrap_difference, mcnemar_p_value
from eval_bridge.statistics.risk_control import mean_interval

Record = Mapping[str, Any]

INTERVALS = ("interval", "success_interval")
SUMMED = ("episodes", "successes", "errors", "placed", "beyond_2_cm", "beyond_3_cm")


def disagreements(value: Any, where: str = "") -> Iterator[str]:
    """A line for each figure, at any depth of a file's content, that others of the same file contradict."""
    if isinstance(value, Mapping):
        for rule in RULES:
            yield from (f"{where}: {message}" for message in rule(value))
        for name, child in value.items():
            yield from disagreements(child, f"{where}/{name}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, child in enumerate(value):
            yield from disagreements(child, f"{where}/{index}")


def count_checked(value: Any) -> int:
    """How many success rates, intervals and paired tests `disagreements` computes again."""
    own = 0
    if isinstance(value, Mapping):
        own += _has(value, "successes", "episodes") * sum(name in value for name in ("success_rate", *INTERVALS))
        own += _has(value, "b", "c", "p_value")
        return own + sum(map(count_checked, value.values()))
    return sum(map(count_checked, value)) if isinstance(value, list) else 0


def _success(record: Record) -> Iterator[str]:
    if not _has(record, "successes", "episodes"):
        return
    successes, episodes = record["successes"], record["episodes"]
    if not 0 <= successes <= episodes <= record.get("planned", episodes):
        yield f"{successes} successes of {episodes} episodes of {record.get('planned', episodes)} planned"
        return
    if "success_rate" in record:
        yield from _compare("success_rate", record["success_rate"], successes / episodes)
    for name in INTERVALS:
        if name in record:
            yield from _compare(name, record[name], wilson_interval(successes, episodes))
    if isinstance(record.get("failures"), Mapping) and len(record["failures"]) != episodes - successes:
        yield f"{len(record['failures'])} failures, and {episodes - successes} episodes without success"


def _per_task(record: Record) -> Iterator[str]:
    tasks = record.get("per_task")
    if isinstance(tasks, Mapping):  # successes by the task's number
        yield from _compare("successes", record["successes"], sum(tasks.values()))
    elif tasks:
        yield from _sums(record, tasks)
        indices = [task["task_index"] for task in tasks]
        if len(set(indices)) != len(indices):
            yield f"tasks occur twice: {indices}"
    if {"all", "tasks"} <= set(record):
        yield from _sums(record["all"], list(record["tasks"].values()))
    pooled = record.get("fine_grained")
    if pooled and tasks is not None:
        chosen = [task for task in tasks or () if task["task"] in pooled["tasks"]]
        if len(chosen) != len(pooled["tasks"]):
            yield f"fine_grained: {pooled['tasks']} are not all in per_task"
        yield from _sums(pooled, chosen)


def _sums(total: Record, parts: Sequence[Record]) -> Iterator[str]:
    for name in SUMMED:
        if name in total and all(name in part for part in parts):
            yield from _compare(f"{name} of the tasks together", total[name], sum(part[name] for part in parts))


def _paired(record: Record) -> Iterator[str]:
    if not _has(record, "b", "c", "episodes"):
        return
    b, c, episodes = record["b"], record["c"], record["episodes"]
    if not 0 <= b + c <= episodes:
        yield f"b {b} and c {c} of {episodes} episodes"
    yield from _compare("p_value", record["p_value"], mcnemar_p_value(b, c))
    yield from _compare("|difference|", abs(record["difference"]), abs(b - c) / episodes)
    low, high = record["interval"]
    if not low <= record["difference"] <= high or (low == high) != (b + c == 0):
        yield f"interval {low} to {high} around {record['difference']} with b {b} and c {c}"


def _rows(record: Record) -> Iterator[str]:
    """Rows of a suite: each pair's difference is that of the two rows' successes, headline minus other."""
    rows = record["rows"] if isinstance(record.get("rows"), list) else []
    for row in (row for row in rows if "seed" in row):
        paired = row.get("paired")
        if not paired:
            continue
        own = [other for other in rows if (other["seed"], other["suite"]) == (row["seed"], row["suite"])]
        headline = own[0]
        other = row if row is not headline else next(other for other in own if other["decoder"] == paired["against"])
        name = f"{row['folder']} of seed {row['seed']}"
        yield from _compare(
            f"{name}: difference", paired["difference"], (paired["b"] - paired["c"]) / paired["episodes"]
        )
        yield from _compare(f"{name}: b - c", paired["b"] - paired["c"], headline["successes"] - other["successes"])
        counts = _determined(other["per_task"], headline["per_task"], paired["c"], paired["b"])
        if counts:
            yield from _compare(f"{name}: interval", paired["interval"], bootstrap_difference(counts))


def _together(record: Record) -> Iterator[str]:
    """What stands for all suites of a run are the sums of their rows."""
    for total in record["together"] if _has(record, "together", "rows") else ():
        rows = [row for row in record["rows"] if (row["seed"], row["decoder"]) == (total["seed"], total["decoder"])]
        if [row["suite"] for row in rows] != total["suites"]:
            yield f"{total['decoder']}: rows are of {[row['suite'] for row in rows]}, not {total['suites']}"
        yield from _sums(total, rows)
        yield from _compare("average", total["average"], _mean([row["success_rate"] for row in rows]))
        if total["fine_grained"]:
            yield from _sums(total["fine_grained"], [row["fine_grained"] for row in rows if row["fine_grained"]])


def _determined(
    first: Sequence[Record], second: Sequence[Record], first_only: int, second_only: int
) -> list[PairedCounts] | None:
    """The paired counts of each task where the tasks' successes leave no choice, else None."""
    gains = [own["successes"] - task["successes"] for task, own in zip(first, second, strict=True)]
    if (sum(max(gain, 0) for gain in gains), sum(max(-gain, 0) for gain in gains)) != (second_only, first_only):
        return None
    counts = []
    for task, own, gain in zip(first, second, gains, strict=True):
        both = min(task["successes"], own["successes"])
        counts.append(PairedCounts(both, max(-gain, 0), max(gain, 0), task["episodes"] - both - abs(gain)))
    return counts


def _ablation(record: Record) -> Iterator[str]:
    """Policies of an ablation: means and sums over their seeds, differences from the base."""
    if not _has(record, "base", "variants", "heldout_only"):
        return
    base = record["variants"][record["base"]]
    for name, variant in record["variants"].items():
        seeds = variant["seeds"]
        for key, mean in variant["heldout"].items():
            yield from _compare(f"{name}: {key}", mean, _mean([run["heldout"][key] for run in seeds]))
        for key in ("training_seconds", "steps_per_second"):
            yield from _compare(f"{name}: {key}", variant[key], _mean([run[key] for run in seeds]))
        for run in seeds:
            speed = run["steps"] / run["training_seconds"]
            yield from _compare(f"{name}: steps_per_second", run["steps_per_second"], speed)
        if variant["development"]:
            yield from (f"{name}: {text}" for text in _sums(variant["development"], [s["development"] for s in seeds]))
        if variant["paired"] and variant["paired"]["episodes"] == base["development"]["episodes"]:
            gain = variant["development"]["successes"] - base["development"]["successes"]
            paired = variant["paired"]
            yield from _compare(f"{name}: c - b", paired["c"] - paired["b"], gain)
            yield from _compare(f"{name}: difference", paired["difference"], gain / paired["episodes"])


def _tokenizers(record: Record) -> Iterator[str]:
    """Tokenizers of an analysis: each number is the mean of its seeds', unless the file's notes name it."""
    if not _has(record, "default", "variants"):
        return
    for name, variant in record["variants"].items():
        for key, value in variant.items():
            if key not in record.get("notes", ()) and all(
                isinstance(run.get(key), int | float) for run in variant["seeds"]
            ):
                yield from _compare(f"{name}: {key}", value, _mean([run[key] for run in variant["seeds"]]))


def _training(record: Record) -> Iterator[str]:
    if not _has(record, "seconds_to_report", "stages"):
        return
    stages = record["stages"]
    seconds = sum(stages[name]["seconds"] for name in reported_stages(record.get("suites", ()), stages))
    yield from _compare("seconds_to_report", record["seconds_to_report"], round(seconds, 1))
    if not 0 < record["demonstrations"] <= record["demonstration_attempts"]:
        yield f"{record['demonstrations']} demonstrations of {record['demonstration_attempts']} attempts"


def _speed(record: Record) -> Iterator[str]:
    if _has(record, "steps", "seconds_of_episodes", "simulator_steps_per_s"):
        rate = record["steps"] / record["seconds_of_episodes"]
        yield from _compare("steps_per_s", record["steps_per_s"], round(rate, 1))
        yield from _compare("share", record["share"], round(rate / record["simulator_steps_per_s"], 3))
    elif _has(record, "demonstrations", "steps", "seconds", "steps_per_s"):
        yield from _compare("steps_per_s", record["steps_per_s"], round(record["steps"] / record["seconds"], 1))


def _resets(record: Record) -> Iterator[str]:
    """The distribution of resets: a test for each coordinate that varies, corrected by Bonferroni."""
    if not _has(record, "draws", "tests", "tasks"):
        return
    tasks = list(record["tasks"].values())
    yield from _compare("tests", record["tests"], sum(task["coordinates"] - task["constant"] for task in tasks))
    yield from _compare("below_0.05", record["below_0.05"], sum(task["below_0.05"] for task in tasks))
    is_same = record["smallest_p_adjusted"] >= record["significance"]
    yield from _compare("is_same_distribution", record["is_same_distribution"], is_same)
    reproduced = all(task["compiled_resets"] == task["compiled_resets_equal"] for task in tasks)
    yield from _compare("compiled_resets_are_reproduced", record["compiled_resets_are_reproduced"], reproduced)


def _comparison(record: Record) -> Iterator[str]:
    """What `launch.compare` writes."""
    if not _has(record, "counts", "per_task", "resamples"):
        return
    tasks = [PairedCounts(**task["counts"]) for task in record["per_task"]]
    counts = PairedCounts(*map(sum, zip(*tasks, strict=True)))
    yield from _compare("counts", list(PairedCounts(**record["counts"])), list(counts))
    yield from _compare("difference", record["difference"], counts.difference)
    yield from _compare("p_value", record["p_value"], mcnemar_p_value(counts.first_only, counts.second_only))
    interval = bootstrap_difference(tasks, seed=record["seed"], resamples=record["resamples"])
    yield from _compare("interval", list(record["interval"].values()), interval)


def _risk(record: Record) -> Iterator[str]:
    """The risk of a cascade on watched episodes."""
    if not _has(record, "by_episode", "risk"):
        return
    calls, skipped, far = (np.array(record["by_episode"][name]) for name in ("calls", "skipped", "far"))
    if not ((far <= skipped) & (skipped <= calls)).all():
        yield "an episode has more skipped calls than calls, or more far ones than skipped"
    yield from _compare("episodes and calls", [record["episodes"], record["calls"]], [len(calls), calls.sum()])
    yield from _compare("skipped", record["skipped"], skipped.sum() / calls.sum())
    yield from _compare("far_of_skipped", record["far_of_skipped"], far.sum() / max(skipped.sum(), 1))
    yield from _compare("risk", record["risk"], (far / calls).mean())
    yield from _compare("risk_interval", record["risk_interval"], mean_interval(far / calls))


def _calibration(record: Record) -> Iterator[str]:
    """A cascade's threshold is the most permissive whose bound, and that of all stricter ones, is at most alpha."""
    if not _has(record, "curve", "bound", "alpha") or record["threshold"] is None:
        return
    bounds = {row["threshold"]: (row["episodes"] * row["risk"] + 1) / (row["episodes"] + 1) for row in record["curve"]}
    allowed = list(takewhile(lambda threshold: bounds[threshold] <= record["alpha"], bounds))
    yield from _compare("threshold", record["threshold"], allowed[-1] if allowed else nan)
    yield from _compare("bound", record["bound"], bounds[record["threshold"]])
    fitted = next(row["risk"] for row in record["curve"] if row["threshold"] == record["threshold"])
    yield from _compare("fitted_on", record["fitted_on"]["risk"], fitted)


def _cascades(record: Record) -> Iterator[str]:
    """Rows of a run's cascades: what they share with the full decoder's evaluation, calibrations and times."""
    if not _has(record, "rows", "full", "calibrations"):
        return
    for row in record["rows"]:
        paired, name = PairedCounts(**row["paired"]["counts"]), row["folder"]
        if paired.episodes == row["episodes"] == record["full"]["episodes"]:
            yield from _compare(f"{name}: successes", row["successes"], paired.second_successes)
            yield from _compare(f"{name}: the full decoder's", record["full"]["successes"], paired.first_successes)
        for time in row["times"]:
            ratio = time["chunk_ms_mean_full"] / time["chunk_ms_mean"]
            yield from _compare(f"{name}: full_over_cascade", time["full_over_cascade"], ratio)
        if row["times"]:
            first = [row["times"][0][key] for key in ("chunk_ms_mean", "chunk_ms_mean_full")]
            yield from _compare(f"{name}: chunk_ms_mean", [row["chunk_ms_mean"], row["chunk_ms_mean_full"]], first)
        if row["risk"] is not None:
            keys = ("decoder", "settings", "alpha", "epsilon")
            (own,) = (each for each in record["calibrations"] if all(each[key] == row[key] for key in keys))
            yield from _compare(f"{name}: risk", row["risk"], own["checked_on"]["risk"])
            yield from _compare(f"{name}: risk_interval", row["risk_interval"], own["checked_on"]["risk_interval"])


RULES = (
    *(_success, _per_task, _paired, _rows, _ablation, _tokenizers, _training, _speed, _resets),
    *(_together, _comparison, _risk, _calibration, _cascades),
)


def _has(record: Record, *names: str) -> bool:
    return all(name in record for name in names)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _compare(name: str, found: Any, expected: Any) -> Iterator[str]:
    if isinstance(expected, Sequence):
        if len(found) == len(expected) and all(map(_are_close, found, expected)):
            return
    elif _are_close(found, expected):
        return
    yield f"{name} is {found}, and by the counts {expected}"


def _are_close(found: float, expected: float) -> bool:
    return isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)
