"""Rows of a draft policy that learns from a main policy's features, which were computed once, and not from its view.

A large main policy is too slow to be asked about every changed view of every step, and one of another kind takes other
frames. Then its actions at the demonstrations' frames as they are come from its stored features (`feature_rows`), and
the draft policy's frames from the same demonstrations, reduced as its observations will be.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from rsd_jax.backbones.interface import Backbone
from rsd_jax.stored_models.policy import StoredPolicy
from rsd_jax.training.demonstrations import Split
from rsd_jax.training.draft_inputs import ACTED, BATCH, SEEN
from rsd_jax.training.equal_batches import map_rows
from rsd_jax.training.feature_rows import complete_chunks, stored_head_rows
from rsd_jax.training.look_rows import episodes_of
from rsd_jax.training.policy_rows import policy_rows_of
from rsd_jax.training.row_sources import Rows


class TaughtRows(NamedTuple):
    """A row for each complete chunk.

    Attributes:
        rows: `SEEN` by the draft policy, and what the main policy does there, `ACTED`, in the dataset's units.
        episodes: the number of each row's episode, from 0.
    """

    rows: Rows
    episodes: NDArray[np.int64]


class SplitTaughtRows(NamedTuple):
    """Those of the training and of the held-out episodes."""

    train: TaughtRows
    heldout: TaughtRows


def taught_rows(run_dir: Path, main: StoredPolicy, draft: Backbone) -> SplitTaughtRows:
    """The rows of a run's demonstrations, in memory.

    Args:
        run_dir: the run's folder.
        main: the policy that acts; its backbone may have been left out, and runs if its features are not there yet.
        draft: backbone of the draft policy, of the same chunks.

    Raises:
        MissingDemonstrations: there are none; names the command that makes them.
        DamagedRowFilesError: a file of features is missing or altered.
        OSError: the files cannot be written.
    """
    features, seen = stored_head_rows(run_dir, main), policy_rows_of(run_dir, draft, main.heldout_every)
    act = jax.jit(lambda variables, batch: main.teacher_actions(variables, batch["features"].astype(np.float32)))

    def taught(part: str) -> TaughtRows:
        rows, of_main = getattr(seen, part), getattr(features, part).features
        chosen = complete_chunks(rows, draft)
        acted: Any = map_rows(lambda batch: act(main.variables, batch), {"features": of_main}, BATCH)
        found = {name: rows[name][chosen] for name in SEEN} | {ACTED: acted}
        return TaughtRows(found, episodes_of(rows["mask"])[chosen])

    return SplitTaughtRows(*map(taught, Split._fields))
