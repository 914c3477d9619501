import numpy as np

from rsd_jax.backbones.openvla.token_sequence import EMPTY, PADDING, read_out, text_with_slots

PROMPTS = np.array([[1, 11, 12, EMPTY, PADDING], [1, 21, EMPTY, PADDING, PADDING]], np.int32)


def test_slots_and_stop_follow_each_prompt_and_padding_follows_all():
    text = text_with_slots(PROMPTS, slots=3)
    np.testing.assert_array_equal(
        np.where(text.is_slot, -1, text.ids),
        [[11, 12, EMPTY, -1, -1, -1, 2, PADDING], [21, EMPTY, -1, -1, -1, 2, PADDING, PADDING]],
    )
    np.testing.assert_array_equal(text.lengths, [7, 6])


def test_the_window_begins_one_place_before_the_first_slot():
    """What a token predicts is the one behind it."""
    text = text_with_slots(PROMPTS, slots=3)
    np.testing.assert_array_equal(text.window, [2, 1])
    read = read_out(text.ids[..., None].astype(np.float32), text.window, 3)
    np.testing.assert_array_equal(read[:, 0, 0], [EMPTY, EMPTY])
    assert np.asarray(text.is_slot)[[0, 1], np.asarray(text.window) + 1].all()


def test_without_slots_nothing_follows_the_prompt():
    text = text_with_slots(PROMPTS, slots=0)
    np.testing.assert_array_equal(text.ids, PROMPTS[:, 1:])
    np.testing.assert_array_equal(text.lengths, [3, 2])
    assert not np.asarray(text.is_slot).any()
