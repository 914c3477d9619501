"""The results of an analysis: figures of every tokenizer, their means over the seeds, and where they come from."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from rsd_jax.provenance import git_commit, library_versions
from rsd_jax.stored_models.policy import StoredPolicy
from rsd_jax.tokenizer_analysis.measures import clipped_fractions, quantile_clip_loss
from rsd_jax.tokenizer_analysis.rows import AnalysisRows

Record = dict[str, Any]


def as_record(
    seeds: Mapping[str, Sequence[Record]],
    policy: StoredPolicy,
    rows: AnalysisRows,
    *,
    default: str,
    head_steps: int,
    throughput: Record | None,
) -> Record:
    """The figures of every tokenizer with their means, and what they are of, as JSON values.

    Args:
        seeds: the records of each tokenizer, one a seed.
        policy: whose features the heads were trained on.
        rows: what was measured on.
        default: name of the tokenizer that pipelines use.
        head_steps: of the heads' trainings.
        throughput: what ``tests.benchmarks.tokenizer_speed`` wrote, if anything.
    """
    return {
        "default": default,
        "variants": {name: {**mean_record(records), "seeds": records} for name, records in seeds.items()},
        "data": {
            **rows.facts,
            "clipped_fraction": clipped_fractions(rows.actions),
            "quantile_clip_loss": quantile_clip_loss(rows.actions.train_labels, rows.actions.heldout),
        },
        "policy_hash": policy.params_hash,
        "head_steps": head_steps,
        "throughput": None if throughput is None else {**fastest(throughput["results"], default), **throughput},
        "device": jax.devices()[0].device_kind,
        "commit": git_commit(),
        "versions": library_versions(),
        "seeds": [record["seed"] for record in next(iter(seeds.values()))],
    }


def fastest(cases: Sequence[Record], default: str) -> Record:
    """Chunks per second at the smallest size measured: of the default, and the best of each competitor's forms."""
    names = {"ours": f"rsd_jax {default}", "original": "original", "residual_fsq": "ResidualFSQ"}
    smallest = min(case["chunks"] for case in cases)
    result: Record = {"chunks": smallest}
    for short, name in names.items():
        for operation, suffix in (("encode", ""), ("decode", "_decode")):
            speeds = [
                case["chunks_per_second"]
                for case in cases
                if case["chunks"] == smallest
                and case["operation"] == operation
                and case["implementation"].startswith(name)
            ]
            result[f"{short}_chunks_per_s{suffix}"] = max(speeds, default=None)
    return result


def mean_record(records: Sequence[Record]) -> Record:
    """Means over the seeds of everything that is a number, element by element; the rest as in the first."""

    def mean(*values: Any) -> Any:
        first = values[0]
        if isinstance(first, dict):
            return {key: mean(*(value[key] for value in values)) for key in first}
        if isinstance(first, list):
            return [mean(*items) for items in zip(*values, strict=True)]
        if all(isinstance(value, int | float) for value in values):
            return float(np.mean(values))
        return first

    return {key: mean(*(record[key] for record in records)) for key in records[0] if key not in ("seed", "token_hash")}
