"""Ten tasks of LIBERO in which centimetres decide, reported together and apart from the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval_bridge.statistics.intervals import Interval, wilson_interval

FINE_GRAINED: Mapping[str, tuple[str, ...]] = {
    "libero_spatial": (
        "pick_up_the_black_bowl_in_the_top_drawer_of_the_wooden_cabinet_and_place_it_on_the_plate",
        "pick_up_the_black_bowl_on_the_ramekin_and_place_it_on_the_plate",
        "pick_up_the_black_bowl_on_the_wooden_cabinet_and_place_it_on_the_plate",
    ),
    "libero_goal": (
        "open_the_middle_drawer_of_the_cabinet",
        "open_the_top_drawer_and_put_the_bowl_inside",
        "turn_on_the_stove",
        "put_the_wine_bottle_on_the_rack",
    ),
    "libero_10": (
        "STUDY_SCENE1_pick_up_the_book_and_place_it_in_the_back_compartment_of_the_caddy",
        "KITCHEN_SCENE6_put_the_yellow_and_white_mug_in_the_microwave_and_close_it",
        "KITCHEN_SCENE8_put_both_moka_pots_on_the_stove",
    ),
}
"""By suite. In LIBERO-PRO's variants files of the same names may ask for others."""


@dataclass(frozen=True)
class Pooled:
    """Several tasks' episodes together; the interval is Wilson's, 95 %."""

    tasks: tuple[str, ...]
    episodes: int
    successes: int
    success_rate: float
    interval: Interval


def pool(tasks: Sequence[str], counts: Sequence[tuple[int, int]]) -> Pooled:
    """Episodes and successes of several tasks, or of several of these, taken together."""
    episodes, successes = (sum(numbers) for numbers in zip(*counts, strict=True))
    return Pooled(tuple(tasks), episodes, successes, successes / episodes, wilson_interval(successes, episodes))


def pool_fine_grained(suite: str, per_task: Sequence[Mapping[str, Any]]) -> Pooled | None:
    """The suite's fine-grained tasks of a summary's ``per_task``; None where it has none, or they were not all run."""
    wanted = FINE_GRAINED.get(suite, ())
    tasks = [task for task in per_task if task["task"] in wanted]
    if not tasks or len(tasks) < len(wanted):
        return None
    return pool([task["task"] for task in tasks], [(task["episodes"], task["successes"]) for task in tasks])
