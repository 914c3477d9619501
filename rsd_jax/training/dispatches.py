"""How the steps of a run are spread over calls of compiled programs."""

from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.row_sources import Dispatch


def plan_dispatches(begin: int, config: TrainingConfig) -> list[Dispatch]:
    """All dispatches from step `begin` to the end.

    None runs over an evaluation, a save or the end. All have one size, but for single steps that lead to such a
    border: two programs are compiled at most.
    """
    periods = (config.evaluate_every, config.checkpoint_every)
    size = min(config.steps_per_dispatch, config.steps, *periods)
    dispatches, step = [], begin
    while step < config.steps:
        border = min(config.steps, *((step // every + 1) * every for every in periods))
        dispatches.append(Dispatch(step, size if step + size <= border else 1))
        step += dispatches[-1].num_steps
    return dispatches
