import numpy as np
import pytest

from rsd_jax.backbones.instruction import INSTRUCTION_LENGTH, PADDING, VOCABULARY_SIZE, encode_instruction


def test_ids_are_the_same_on_every_machine() -> None:
    assert encode_instruction("pick up")[:3].tolist() == [3334, 2051, PADDING]


def test_case_and_punctuation_make_no_difference() -> None:
    plain = encode_instruction("pick up the black bowl and place it on the plate")
    np.testing.assert_array_equal(encode_instruction("Pick up the black bowl, and place it on the plate."), plain)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("the bowl\u2019s plate", "the bowl's plate"),
        ("the bowl\u02bcs plate", "the bowl's plate"),
        ("the \u201cblack\u201d bowl", 'the "black" bowl'),
        ("the dark\u2011colored bowl", "the dark colored bowl"),
        ("the dark-colored bowl", "the dark colored bowl"),
        ("the cook\u00adtop", "the cooktop"),
        ("the \ufb02at plate", "the flat plate"),  # a ligature
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_typography_makes_no_difference(written: str, plain: str) -> None:
    np.testing.assert_array_equal(encode_instruction(written), encode_instruction(plain))


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
