"""The models of every decoder that a run has models for; what they share is in memory once."""

import dataclasses
from typing import NamedTuple

from eval_bridge.decoding_benchmark.settings import BenchmarkSettings
from eval_bridge.policies.compiled_policy import LoadedModels, load_models
from eval_bridge.policies.decoder_models import Models
from rsd_jax.checkpoints.errors import CheckpointError


class NotRun(NamedTuple):
    """A decoder that the run has no models for, and why."""

    decoder: str
    settings: str
    reason: str


def load_contenders(settings: BenchmarkSettings) -> tuple[dict[str, LoadedModels], list[NotRun]]:
    """Models of a run's decoders, by their labels, and decoders without: a cascade needs a draft policy, for example.

    Raises:
        CheckpointError: a stage that the baseline needs is missing or damaged.
    """
    by_stages: dict[tuple[str, ...], LoadedModels] = {}
    found: dict[str, LoadedModels] = {}
    not_run = []
    for entry in settings.entries:
        key = (entry.decoder.name, *entry.decoder.stages)
        try:
            if key not in by_stages:
                by_stages[key] = _sharing(load_models(settings.checkpoints, entry.decoder), found)
            entry.decoder.initial_state(Models(*by_stages[key]))
        except (CheckpointError, ValueError) as error:
            if not found:  # the baseline
                raise
            # As a reader of another machine knows the folder.
            reason = " ".join(str(error).replace(str(settings.checkpoints), settings.checkpoint_name).split())
            not_run.append(NotRun(entry.decoder.name, entry.settings, reason))
        else:
            found[entry.label] = by_stages[key]
    return found, not_run


def _sharing(models: LoadedModels, others: dict[str, LoadedModels]) -> LoadedModels:
    """`models` with the policy's arrays of the `others`, which are as good: a deployed policy has them once, too."""
    if not others:
        return models
    policy = next(iter(others.values())).arrays.policy
    return models._replace(arrays=dataclasses.replace(models.arrays, policy=policy))
