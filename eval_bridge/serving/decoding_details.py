"""How a chunk was decoded, beside its actions: what one server of this project tells another's evaluation.

Neither protocol has a place for it, so it travels under a key of its own, and only to clients that ask for it there.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.policies.interface import PolicyOutput, output_without_tokens
from eval_bridge.policies.random_streams import EpisodeKey
from eval_bridge.serving.array_messages import MessageError

EXTENSION = "rsd_jax"
"""The key of messages under which this project's own words stand; others neither send nor read it."""


class EpisodeStartWords(NamedTuple):
    """What an evaluation of this project says when an episode begins, so that its records are those of one in process.

    Attributes:
        key: of the episode; None for one that the server draws.
        row: of the policy's batch that answers it; None for any.
    """

    key: EpisodeKey | None = None
    row: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As it lies in a message."""
        return {"episode_key": self.key, "row": self.row}


def read_start_words(value: Any, rows: int) -> EpisodeStartWords:
    """Inverse of `EpisodeStartWords.to_json`; None means nothing was said.

    Raises:
        MessageError: a key that is no two words of 32 bits, or a row that is not in 0 .. `rows` - 1.
    """
    words = value if isinstance(value, dict) else {}
    key, row = words.get("episode_key"), words.get("row")
    if key is not None and not (
        isinstance(key, list) and len(key) == 2 and all(_is_below(word, 2**32) for word in key)
    ):
        raise MessageError(f"{EXTENSION}.episode_key is {key!r}; it must be two whole numbers below 2^32")
    if row is not None and not _is_below(row, rows):
        raise MessageError(f"{EXTENSION}.row is {row!r}; it must be one of 0 to {rows - 1}, the policy's batch")
    return EpisodeStartWords(None if key is None else (key[0], key[1]), row)


def details_of(output: PolicyOutput) -> dict[str, Any]:
    """What a message tells of a chunk besides its actions: numbers and lists."""
    return {
        "rounds": int(output.rounds),
        "looked": bool(output.looked),
        **{name: np.asarray(getattr(output, name)).tolist() for name in ("accepted", "proposed", "first_run")},
        "layout": list(np.shape(output.accepted)),
    }


def output_from(actions: NDArray[np.float32], details: Any) -> PolicyOutput:
    """A chunk with the details that came with it; of a server that tells none, one without tokens.

    Raises:
        MessageError: they are none.
    """
    if details is None:
        return output_without_tokens(actions)
    try:
        shape = tuple(details["layout"])
        accepted, proposed = (np.array(details[name], np.int32).reshape(shape) for name in ("accepted", "proposed"))
        first_run = np.array(details["first_run"], np.int32)
        return PolicyOutput(actions, int(details["rounds"]), accepted, proposed, first_run, bool(details["looked"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise MessageError(f"the server's {EXTENSION} are no details of a chunk: {error!r}") from error


def _is_below(value: Any, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit
