"""Reading of what a checkpoint says about its network, which another version may have written."""

from collections.abc import Iterator
from contextlib import contextmanager

from rsd_jax.checkpoints.errors import CheckpointError


@contextmanager
def known_network(stage: str, remedy: str) -> Iterator[None]:
    """Inside it the facts of a stage are read.

    Args:
        stage: its name. remedy: what helps, besides the version that wrote it.

    Raises:
        CheckpointError: what they describe is of another version.
    """
    try:
        yield
    except (TypeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"stage {stage!r} has a network that this version does not know ({error!r}); use the version that wrote "
            f"it, or {remedy}"
        ) from error
