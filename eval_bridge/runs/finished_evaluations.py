"""Whether an evaluation of a run holds all that was asked for."""

import json
from collections.abc import Sequence
from pathlib import Path

from eval_bridge.evaluation.summary import CHANGED_PROTOCOL
from eval_bridge.policies.decoder_interface import Decoder
from eval_bridge.policies.decoders import read_decoder
from rsd_jax.content_check import read_checked_json
from rsd_jax.run_folder import REPORT_NAME, SUMMARY_NAME


def has_all_episodes(output: Path, decoder: Decoder) -> bool:
    """Whether every planned episode has a result, by this decoder with its settings, in the ordinary protocol."""
    if not (output / SUMMARY_NAME).is_file() or not (output / REPORT_NAME).is_file():
        return False
    summary = read_checked_json(output / SUMMARY_NAME)
    # Summaries of a time without them tell no settings; where there were some, the log has them.
    evaluated = read_decoder(summary["decoder"], summary.get("decoder_settings", ""))
    is_ordinary = not CHANGED_PROTOCOL & summary.keys()
    return bool(evaluated == decoder and summary["episodes"] == summary["planned"] and is_ordinary)


def compares_with(output: Path, others: Sequence[str]) -> bool:
    """Whether the comparisons in `output` are with just the folders `others`; raises ValueError if it is damaged."""
    if not output.is_file():
        return False
    try:
        return {each["first"]["name"] for each in json.loads(output.read_bytes())} == set(others)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{output} is damaged ({error!r}); move it away: it is made again from the logs") from error
