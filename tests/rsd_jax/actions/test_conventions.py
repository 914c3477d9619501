import jax.numpy as jnp
import numpy as np

from rsd_jax.actions.conventions import LIBERO, gripper_from_open_fraction, gripper_to_open_fraction, upright


def test_upright_turns_frames_by_180_degrees() -> None:
    frame = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    assert upright(frame)[..., 0].tolist() == [[5, 4, 3], [2, 1, 0]]
    batch = frame[None, None]
    np.testing.assert_array_equal(upright(batch)[0, 0], upright(frame))
    np.testing.assert_array_equal(upright(upright(frame)), frame)


def test_upright_is_the_same_on_host_and_device() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    np.testing.assert_array_equal(upright(jnp.asarray(frames)), upright(frames))


def test_gripper_conventions() -> None:
    environment = np.array([LIBERO.gripper_open, LIBERO.gripper_closed, 0.5], np.float32)
    assert gripper_to_open_fraction(environment).tolist() == [1.0, 0.0, 0.25]
    np.testing.assert_array_equal(gripper_from_open_fraction(gripper_to_open_fraction(environment)), environment)
