"""The report's section on success by task."""

from eval_bridge.evaluation.summary import Summary
from eval_bridge.report.charts import Bar


def task_bars(summary: Summary) -> list[Bar]:
    """A bar for each task, with its Wilson interval as marks."""
    return [
        Bar(
            label=task.task.replace("_", " "),
            text="no result yet" if task.success_rate is None else f"{task.successes}/{task.episodes}",
            percent=100 * (task.success_rate or 0.0),
            note=f"task {task.task_index}" + (f", {task.errors} not finished" if task.errors else ""),
            marks=tuple(100 * bound for bound in task.success_interval) if task.episodes else (),
        )
        for task in summary.per_task
    ]
