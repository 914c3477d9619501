"""What the miniature run's two policies do on held-out frames, computed as the cascade does."""

from typing import NamedTuple

import jax
import numpy as np
import pytest

from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.stored_models import load_draft_policy, load_policy
from rsd_jax.training.look_rows import with_looks
from rsd_jax.training.policy_rows import policy_rows_of


class Acted(NamedTuple):
    """Rows of held-out episodes with looks, and what main and draft policy do there, in the dataset's units."""

    rows: dict
    main: np.ndarray
    draft: np.ndarray


@pytest.fixture(scope="session")
def acted(preflight_run) -> Acted:
    main = load_policy(preflight_run)
    draft = load_draft_policy(preflight_run, main)
    rows = with_looks(policy_rows_of(preflight_run, main.backbone, main.heldout_every).heldout, 8, 2)

    @jax.jit
    def act(images, look_images, proprio, look_proprio, words, age):
        remembered = main.remember(main.variables, PolicyInputs(look_images, look_proprio, words), age)
        drafted = draft.actions(draft.variables, PolicyInputs(images, proprio, words, remembered))
        return main.actions(main.variables, PolicyInputs(images, proprio, words)), drafted

    names = ("images", "look_images", "proprio", "look_proprio", "instruction_ids", "look_age")
    return Acted(rows, *(np.asarray(actions) for actions in act(*(np.asarray(rows[name]) for name in names))))
