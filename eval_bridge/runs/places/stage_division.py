"""How the work of a stage is divided among several jobs, and put together again."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from eval_bridge.collection.settings import CollectionSettings
from eval_bridge.evaluation.benchmarks import get_benchmark
from eval_bridge.evaluation.settings import EvaluationSettings
from rsd_jax.registry import to_dataclass

ReadConfig = Callable[[Sequence[str]], Mapping[str, Any]]
"""Values of a configuration, given ``--config FILE[:variant]`` and overrides; ValueError for what does not exist."""

_COLLECT, _EVALUATE, _MERGE = "launch.collect", "launch.evaluate", "launch.merge_evaluations"


class Division(NamedTuple):
    """Of a stage whose command takes ``--config.shard=PART/PARTS``.

    Attributes:
        most: parts that there can be: tasks of a collection, episodes of an evaluation.
        merge: arguments of the process that unites them.
    """

    most: int
    merge: Sequence[str]


def division_of(command: Sequence[str], read_config: ReadConfig) -> Division | None:
    """How what ``... -m launch.X ...`` does is divided; None for what one job does.

    Raises:
        ValueError: a value of the configuration does not exist or is impossible.
    """
    module, *arguments = command[command.index("-m") + 1 :]
    if module == _COLLECT:
        # The same command without a shard finds all demonstrations there, and completes the folder.
        return Division(len(to_dataclass(CollectionSettings, read_config(arguments)).task_names), command)
    if module == _EVALUATE:
        settings = to_dataclass(EvaluationSettings, read_config(arguments))
        if settings.compare_with:  # all episodes are there: it writes the report again
            return None
        episodes = settings.plan(get_benchmark(settings.simulator, settings.suite)).episodes
        return Division(len(episodes), [_MERGE if part == _EVALUATE else part for part in command])
    return None
