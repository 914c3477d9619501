"""The instructions of a run with rewordings of each: training draws one of them for every row."""

from collections.abc import Callable, Sequence
from typing import Literal

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int
from numpy.typing import NDArray

from rsd_jax.array_types import Scalar, typecheck
from rsd_jax.backbones.rewording import rewordings

InstructionIds = Int[Array, "B W"]


@flax.struct.dataclass
class InstructionTable:
    """Every instruction of a run, as given and reworded, as the ids that its backbone reads.

    Attributes:
        given: ``int32 [I, W]``.
        reworded: ``int32 [I, R, W]``.
    """

    given: Int[Array, "I W"]
    reworded: Int[Array, "I R W"]

    @staticmethod
    def of(
        instructions: Sequence[str],
        count: int,
        part: Literal["training", "heldout"],
        encode: Callable[[str], NDArray[np.int32]],
    ) -> "InstructionTable":
        """The distinct `instructions` with `count` rewordings of each, from the `part` of the wordings.

        `encode` is `Backbone.encode_instruction`.
        """
        distinct = sorted(set(instructions))
        reworded = [
            [encode(text) for text in rewordings(instruction, count + 1, seed=0, part=part)[1:]]
            for instruction in distinct
        ]
        return InstructionTable(
            given=jnp.asarray(np.stack([encode(instruction) for instruction in distinct])),
            reworded=jnp.asarray(np.asarray(reworded, np.int32)),
        )

    @typecheck
    def reword(self, key: jax.Array, instruction_ids: InstructionIds, share: float | Scalar) -> InstructionIds:
        """Replaces each row's instruction by one of its rewordings with probability `share`; consumes `key`.

        A row whose instruction is not in the table keeps it.
        """
        choice_key, share_key = jax.random.split(key)
        same = jnp.all(instruction_ids[:, None] == self.given[None], axis=-1)
        rows = len(instruction_ids)
        choice = jax.random.randint(choice_key, (rows,), 0, self.reworded.shape[1])
        drawn = self.reworded[jnp.argmax(same, axis=1), choice]
        replace = jnp.any(same, axis=1) & jax.random.bernoulli(share_key, share, (rows,))
        return jnp.where(replace[:, None], drawn, instruction_ids)
