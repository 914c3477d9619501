"""Writes an evaluation's report, and the comparisons that stand in it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval_bridge.evaluation.comparison import compare_folders
from eval_bridge.evaluation.episode_log import read_episode_log
from eval_bridge.evaluation.plan import EpisodeId
from eval_bridge.evaluation.summary import Summary
from eval_bridge.report.evaluation.page import write_report
from rsd_jax.atomic_files import write_atomically
from rsd_jax.run_folder import COMPARISONS_NAME, LOG_NAME, REPORT_NAME


def write_evaluation_report(
    output: Path,
    summary: Summary,
    episodes: Sequence[EpisodeId],
    compare_with: Sequence[Path],
    config: Mapping[str, Any],
) -> None:
    """Writes the report of what the log in `output` holds of `episodes`, beside other evaluations of the same starts.

    Args:
        output: folder of the evaluation.
        summary: the evaluation in numbers.
        episodes: that the report is about.
        compare_with: folders of other evaluations.
        config: nested configuration, shown flattened.

    The comparisons that stand in the report are also written as JSON; without any there is no such file.

    Raises:
        ComparisonError: another evaluation is missing, or of other episodes.
        OSError: the report cannot be written.
    """
    log = read_episode_log(output / LOG_NAME).restricted_to(episodes)
    comparisons = [compare_folders(other, output) for other in compare_with]
    (output / COMPARISONS_NAME).unlink(missing_ok=True)  # until the report says the same
    write_report(output / REPORT_NAME, summary, log, config, comparisons)
    if comparisons:
        contents = json.dumps([comparison.to_json() for comparison in comparisons], indent=1, allow_nan=False)
        write_atomically(output / COMPARISONS_NAME, contents + "\n")
