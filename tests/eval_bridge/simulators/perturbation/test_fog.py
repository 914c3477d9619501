import numpy as np

from eval_bridge.simulators.perturbation.fog import MAP_SIZE, draw_clouds, fog


def test_clouds_reach_from_nothing_to_everything_and_their_edges_join():
    clouds = draw_clouds(3.0, np.random.default_rng(0))
    assert clouds.shape == (MAP_SIZE, MAP_SIZE)
    assert (clouds.min(), clouds.max()) == (0.0, 1.0)
    inside = np.abs(np.diff(clouds, axis=0)).max()
    assert np.abs(clouds[0] - clouds[-1]).max() <= 2 * inside


def test_the_brightest_stays_as_bright():
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[10:20] = 200
    foggy = fog(frame, 10, np.random.default_rng(0))
    assert foggy.max() <= 200
    assert foggy[40].max() > 50  # where it was black
