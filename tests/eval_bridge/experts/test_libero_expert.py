"""The expert in the real simulator: physics throughout, a few frames rendered."""

import numpy as np
import pytest

from eval_bridge.collection.recording import RecordedEpisode, RecordingSettings, record_episode
from eval_bridge.experts.noise import NoiseSettings
from eval_bridge.experts.smooth_motion import MotionLimits
from eval_bridge.simulators.interface import EpisodeStart
from rsd_jax.demos.frames import to_stored_size

RENDERED_STEPS = (0, 30)
BLANK = np.zeros((256, 256, 3), np.uint8)


class _RarelyRendering:
    """A simulator that renders at `RENDERED_STEPS` only, which saves half a minute."""

    def __init__(self, simulator) -> None:
        self._simulator = simulator
        self._step = 0

    def __getattr__(self, name):
        return getattr(self._simulator, name)

    def step(self, action: np.ndarray) -> bool:
        self._step += 1
        return self._simulator.step(action)

    def render(self, camera: str) -> np.ndarray:
        return self._simulator.render(camera) if self._step in RENDERED_STEPS else BLANK


@pytest.mark.libero
def test_solves_an_episode_whose_replay_gives_the_same_states_and_frames(libero_simulator):
    from eval_bridge.experts.libero_expert import libero_expert

    settings = RecordingSettings(step_limit=220, steps_after_success=2, noise=NoiseSettings(0.05))
    episode = record_episode(
        _RarelyRendering(libero_simulator), libero_expert, settings, suite="libero_spatial", task="0", seed=3
    )
    assert isinstance(episode, RecordedEpisode), episode
    demo = episode.demo
    assert len(demo) < 130

    libero_simulator.begin(EpisodeStart(*demo.start))
    for step, action in enumerate(demo.actions):
        np.testing.assert_array_equal(libero_simulator.state(), demo.states[step])
        np.testing.assert_array_equal(libero_simulator.proprio(), demo.proprio[step])
        if step in RENDERED_STEPS:
            live = libero_simulator.observe()
            np.testing.assert_array_equal(to_stored_size(live.agentview), demo.agentview[step])
            np.testing.assert_array_equal(to_stored_size(live.wrist), demo.wrist[step])
            assert live.agentview.std() > 10  # something is to be seen
        is_solved = libero_simulator.step(action)
    assert is_solved


@pytest.mark.libero
def test_the_file_describes_the_scene_as_official_files_do():
    from eval_bridge.experts.libero_expert import describe_libero_scene

    scene = describe_libero_scene("libero_spatial", 2, {"mujoco": "3.2.3"})
    assert scene.env_name == "LIBERO_Tabletop_Manipulation"
    assert scene.env_args["env_kwargs"]["robots"] == ["Panda"]
    assert scene.bddl_file_name.startswith("bddl_files/libero_spatial/pick_up_the_black_bowl_from_table_center")
    assert "(On akita_black_bowl_1 plate_1)" in scene.bddl_file_content


@pytest.mark.libero
def test_a_bowl_in_the_drawers_way_is_dragged_aside_in_time():
    from eval_bridge.experts.libero_expert import libero_expert
    from eval_bridge.simulators.libero.environment import LiberoSimulator

    task = "open_the_top_drawer_and_put_the_bowl_inside"
    simulator = LiberoSimulator("libero_goal", task)
    settings = RecordingSettings(step_limit=300, images=False, motion=MotionLimits(0.4, 0.8))
    episode = record_episode(simulator, libero_expert, settings, suite="libero_goal", task=task, seed=11)
    simulator.close()
    assert isinstance(episode, RecordedEpisode), episode
    assert len(episode.demo) < 265  # carried aside, it took 290
