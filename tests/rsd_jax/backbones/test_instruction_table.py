import jax
import jax.numpy as jnp
import numpy as np

from rsd_jax.backbones.instruction import encode_instruction
from rsd_jax.backbones.instruction_table import InstructionTable

STOVE = "pick up the black bowl on the stove and place it on the plate"
RAMEKIN = "pick up the black bowl next to the ramekin and place it on the plate"


def _rows(*instructions: str) -> jax.Array:
    return jnp.asarray(np.stack([encode_instruction(text) for text in instructions]))


def test_every_row_gets_a_rewording_of_its_own_instruction() -> None:
    table = InstructionTable.of([STOVE, RAMEKIN, STOVE], 16, "training", encode_instruction)
    assert table.given.shape == (2, 32)
    assert table.reworded.shape == (2, 16, 32)
    rows = _rows(*[STOVE, RAMEKIN] * 32)
    reworded = np.asarray(table.reword(jax.random.key(0), rows, 1.0))
    for text, start in ((STOVE, 0), (RAMEKIN, 1)):
        own = int(np.flatnonzero((np.asarray(table.given) == encode_instruction(text)).all(axis=1))[0])
        known = {row.tobytes() for row in np.asarray(table.reworded[own])}
        drawn = {row.tobytes() for row in reworded[start::2]}
        assert drawn <= known
        assert len(drawn) > 8
        assert encode_instruction(text).tobytes() not in drawn


def test_a_share_of_the_rows_and_no_unknown_instruction_is_reworded() -> None:
    table = InstructionTable.of([STOVE], 16, "training", encode_instruction)
    rows = _rows(*[STOVE] * 400, "open the drawer")
    reworded = table.reword(jax.random.key(0), rows, 0.25)
    changed = np.asarray((reworded != rows).any(axis=1))
    assert 60 < changed[:400].sum() < 140
    assert not changed[400]
    np.testing.assert_array_equal(table.reword(jax.random.key(0), rows, 0.0), rows)


def test_training_and_heldout_wordings_differ() -> None:
    parts = [InstructionTable.of([STOVE], 64, part, encode_instruction) for part in ("training", "heldout")]
    training, heldout = ({row.tobytes() for row in np.asarray(table.reworded[0])} for table in parts)
    assert not training & heldout
