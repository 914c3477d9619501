import numpy as np
import pytest

from rsd_jax.backbones.instruction import INSTRUCTION_LENGTH, PADDING, VOCABULARY_SIZE, encode_instruction


def test_ids_are_the_same_on_every_machine() -> None:
    assert encode_instruction("pick up")[:3].tolist() == [127, 998, PADDING]


def test_case_and_punctuation_make_no_difference() -> None:
    plain = encode_instruction("pick up the black bowl and place it on the plate")
    np.testing.assert_array_equal(encode_instruction("Pick up the black bowl, and place it on the plate."), plain)


def test_other_words_and_another_order_give_other_ids() -> None:
    left, right = encode_instruction("mug on the left plate"), encode_instruction("mug on the right plate")
    assert (left != right).sum() == 1
    assert (encode_instruction("left of right") != encode_instruction("right of left")).any()


def test_the_longest_instruction_of_libero_fits() -> None:
    ids = encode_instruction("put the white mug on the left plate and put the yellow and white mug on the right plate")
    assert ids.shape == (INSTRUCTION_LENGTH,)
    assert ids.dtype == np.int32
    assert (ids != PADDING).sum() == 19
    assert ids.max() < VOCABULARY_SIZE


@pytest.mark.parametrize("instruction", ["", " ,.", "word " * (INSTRUCTION_LENGTH + 1)])
def test_rejects_no_words_and_too_many(instruction: str) -> None:
    with pytest.raises(ValueError, match="it must have 1 to 32"):
        encode_instruction(instruction)
