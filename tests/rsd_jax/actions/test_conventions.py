import jax.numpy as jnp
import numpy as np

from rsd_jax.actions.conventions import upright


def test_upright_turns_frames_by_180_degrees() -> None:
    frame = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    assert upright(frame)[..., 0].tolist() == [[5, 4, 3], [2, 1, 0]]
    batch = frame[None, None]
    np.testing.assert_array_equal(upright(batch)[0, 0], upright(frame))
    np.testing.assert_array_equal(upright(upright(frame)), frame)


def test_upright_is_the_same_on_host_and_device() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    np.testing.assert_array_equal(upright(jnp.asarray(frames)), upright(frames))
