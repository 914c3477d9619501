"""Random keys of episodes: each its own, so that what one episode draws depends on no other."""

import numpy as np

EpisodeKey = tuple[int, int]
"""The two words of an episode's random key: plain numbers, which cross between processes without JAX."""


def episode_key(seed: int, task_index: int, episode: int) -> EpisodeKey:
    """The key of an episode of an evaluation with this seed, on every machine and for any number of workers."""
    high, low = np.random.SeedSequence([seed, task_index, episode]).generate_state(2)
    return int(high), int(low)
