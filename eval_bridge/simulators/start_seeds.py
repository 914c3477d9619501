"""Which seeds random starts are drawn from, so that training data and development never share one."""

SEEDS_PER_RUN = 1_000_000
"""Distance between the first seeds of collections whose ``config.seed`` differs by one."""

FIRST_CORRECTION = SEEDS_PER_RUN // 2
"""Number of a run's first seed in which a policy acts before the expert; demonstrations lie before it."""

FIRST_DEVELOPMENT_SEED = 900_000_000
"""Of random starts in evaluations; all of training data lie before it."""

FIRST_LAYOUT_SEED = 950_000_000
"""Of starts in layouts drawn at random, in evaluations."""

FIRST_LOOKS_SEED = 980_000_000
"""Of starts with looks drawn at random, in evaluations."""
