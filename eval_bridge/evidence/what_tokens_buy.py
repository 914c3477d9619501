"""The section on what tokens buy, of a document: the table of arms, and what its figures are of."""

import json
from pathlib import Path

from eval_bridge.evidence.figures_in_words import describe_source, write_commit
from eval_bridge.runs.arms.results import write_table

SECTION = "what_tokens_buy"


def describe(results: Path, document: Path) -> str:
    """The section of `document`, from the file that `launch.what_tokens_buy` wrote.

    Raises:
        OSError: it cannot be read.
    """
    record = json.loads(results.read_text(encoding="utf-8"))
    sets = "; ".join(
        f"{name}: `{data['suite']}`, {_tasks(data['tasks'])}, "
        + ("" if data["demonstrations"] is None else f"{data['demonstrations']} demonstrations, ")
        + f"{data['episodes_per_task']} starts a task"
        for name, data in record["data"].items()
    )
    tried = {name: arm["settings_tried"] for name, arm in record["arms"].items()}
    more = ", ".join(f"{number} of `{name}`" for name, number in tried.items() if number > 1)
    seeds = ", ".join(map(str, record["seeds"]))
    source = describe_source(record["device"], record["versions"], results, document, "record_what_tokens_buy")
    return (
        f"{write_table(record)}\n\n"
        f"{sets}. `{record['simulator']}` starts, training seeds {seeds}, one setting of each arm tried"
        f"{f', {more}' if more else ''}; commit {write_commit(record['commit'])}. Success with 95 % Wilson intervals; "
        f"differences with the base on the same starts, in points. {source}"
    )


def _tasks(tasks: list[int]) -> str:
    return f"tasks {', '.join(map(str, tasks))}" if tasks else "all tasks"
