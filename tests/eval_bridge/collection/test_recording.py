import numpy as np
import pytest

from eval_bridge.collection.recording import (
    SOLVED_BEFORE,
    FailedEpisode,
    RecordedEpisode,
    RecordingSettings,
    record_episode,
)
from eval_bridge.experts.noise import NoiseSettings
from eval_bridge.experts.smooth_motion import MotionLimits
from eval_bridge.experts.style import StyleSettings, draw_style, style_generator
from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.point_mass import towards_ball
from rsd_jax.demos.demo import Demo
from rsd_jax.demos.frames import to_stored_size
from tests.eval_bridge.collection.collection_fakes import (
    RecordablePointMass,
    expert,
    expert_that_always_fails,
    expert_with_style,
)
from tests.rsd_jax.demos.demo_examples import assert_same_demo

DIVERSE = StyleSettings(sides=(-90.0, 90.0), slowest=0.5)
NOISY = RecordingSettings(step_limit=60, steps_after_success=0, noise=NoiseSettings(0.3))


def _record(solve=expert, settings=NOISY, seed=7, simulator=None, lead=None) -> Demo | FailedEpisode:
    simulator = simulator or RecordablePointMass()
    names = {"suite": "point_mass", "task": "close_on_ball"}
    episode = record_episode(simulator, solve, settings, **names, seed=seed, lead=lead)
    return episode.demo if isinstance(episode, RecordedEpisode) else episode


def test_replaying_the_actions_reproduces_states_frames_and_proprioception():
    demo = _record()
    assert isinstance(demo, Demo)
    simulator = RecordablePointMass()
    simulator.begin(EpisodeStart(*demo.start))
    solved = []
    for step in range(len(demo)):
        observation = simulator.observe()
        np.testing.assert_array_equal(simulator.state(), demo.states[step])
        np.testing.assert_array_equal(observation.proprio, demo.proprio[step])
        np.testing.assert_array_equal(to_stored_size(observation.agentview), demo.agentview[step])
        np.testing.assert_array_equal(to_stored_size(observation.wrist), demo.wrist[step])
        solved.append(simulator.step(demo.actions[step]))
    assert solved == [False] * (len(demo) - 1) + [True]


def test_labels_are_the_experts_clean_actions_where_the_executed_ones_are_disturbed():
    demo = _record()
    disturbed = (demo.actions != demo.labels).any(axis=1)
    assert 0 < disturbed.sum() < len(demo)
    np.testing.assert_array_equal(demo.actions[:, 6], demo.labels[:, 6])
    simulator = RecordablePointMass()
    simulator.begin(EpisodeStart(*demo.start))
    for action, label in zip(demo.actions, demo.labels, strict=True):
        np.testing.assert_array_equal(next(expert(simulator)), label)
        simulator.step(action)


def test_without_noise_labels_equal_actions():
    demo = _record(settings=RecordingSettings(60, 0))
    np.testing.assert_array_equal(demo.actions, demo.labels)


def test_goes_on_for_the_asked_number_of_steps_after_success():
    bare, longer = (_record(settings=RecordingSettings(60, more)) for more in (0, 2))
    assert len(longer) == len(bare) + 2
    np.testing.assert_array_equal(longer.actions[: len(bare)], bare.actions)


def test_a_goal_that_is_lost_again_is_a_failure():
    def opens_again(simulator, style):
        while not simulator.is_solved():
            yield next(expert(simulator))
        yield np.array([0, 0, 0, 0, 0, 0, -1], np.float32)

    failure = _record(opens_again, RecordingSettings(60, 5))
    assert isinstance(failure, FailedEpisode)
    assert failure.reason == "the goal does not hold when the expert stops"


def test_a_goal_must_hold_without_a_break():
    def loses_and_regains(simulator, style):
        while not simulator.is_solved():
            yield next(expert(simulator))
        yield np.array([0, 0, 0, 0, 0, 0, -1], np.float32)
        yield from expert(simulator)

    straight, interrupted = (_record(solve, RecordingSettings(60, 5)) for solve in (expert, loses_and_regains))
    assert len(interrupted) > len(straight) + 1
    assert (interrupted.actions[-5:, 6] == 1).all()


def test_depends_on_the_seed_alone():
    used = RecordablePointMass()
    _record(seed=3, simulator=used)
    assert_same_demo(_record(seed=7, simulator=used), _record(seed=7))
    assert len(_record(seed=8)) != len(_record(seed=7)) or (_record(seed=8).actions != _record(seed=7).actions).any()


def test_the_experts_surrender_is_a_failure_with_its_reason():
    assert _record(expert_that_always_fails)[:2] == (1, "too hard")


def test_the_step_limit_is_a_failure():
    assert _record(settings=RecordingSettings(step_limit=4))[:2] == (4, "the goal does not hold after 4 steps")


def test_an_expert_that_stops_too_early_is_a_failure():
    def lazy(simulator, style):
        yield next(expert(simulator))

    assert _record(lazy)[:2] == (1, "the goal does not hold when the expert stops")


def test_other_errors_of_the_expert_are_not_taken_for_failures():
    def broken(simulator, style):
        raise KeyError("bug")
        yield

    with pytest.raises(KeyError):
        _record(broken)


def test_labels_keep_to_the_limits_of_the_motion():
    limits = MotionLimits(acceleration=0.1, braking=0.2)
    smooth, abrupt = (_record(settings=RecordingSettings(60, 0, motion=motion)) for motion in (limits, MotionLimits()))
    changes = [np.abs(np.diff(demo.labels[:, :6], axis=0, prepend=0)).max() for demo in (smooth, abrupt)]
    assert changes[0] <= limits.braking + 1e-6 < changes[1]


def test_a_style_disturbs_neither_start_nor_noise():
    plain, styled = (
        _record(expert_with_style, RecordingSettings(60, 0, NoiseSettings(0.3), style=style), seed=5)
        for style in (StyleSettings(), DIVERSE)
    )
    assert_same_demo(plain, styled)  # this expert moves alike whatever it is asked for


def test_the_style_is_drawn_from_the_seed_and_told_with_the_episode():
    for seed in range(4):
        episode = record_episode(
            RecordablePointMass(),
            expert_with_style,
            RecordingSettings(60, 0, style=DIVERSE),
            suite="point_mass",
            task="close_on_ball",
            seed=seed,
        )
        drawn = draw_style(DIVERSE, style_generator(seed), goals=1)
        assert (episode.style["side"], episode.style["speed"]) == (drawn.side, drawn.speed)
        assert episode.style["kinds"]["grasp ball"] == "left"
        assert ("grasp ball" in episode.style["departures"]) == (drawn.side != 90.0)


def test_a_failure_tells_its_style_too():
    settings = RecordingSettings(60, 0, style=DIVERSE)
    assert _record(expert_that_always_fails, settings).style["side"] in (-90.0, 90.0)


def lead_away(steps: int):
    """A policy that goes away from the ball, for so many steps."""

    def lead(simulator):
        for _ in range(steps):
            action = towards_ball(simulator)
            action[:3] *= -1
            yield action

    return lead


def test_what_a_policy_did_before_is_recorded_as_its_own():
    demo = _record(lead=lead_away(6))
    assert isinstance(demo, Demo)
    assert demo.expert_from == 6
    np.testing.assert_array_equal(demo.actions[:6], demo.labels[:6])  # no noise: it makes its own mistakes
    assert not demo.agentview[:6].any()
    assert demo.agentview[6:].any(axis=(1, 2, 3)).all()
    simulator = RecordablePointMass()
    simulator.begin(EpisodeStart(*demo.start))
    for step, action in enumerate(demo.actions):
        np.testing.assert_array_equal(simulator.state(), demo.states[step])
        if step >= 6:
            np.testing.assert_array_equal(next(expert(simulator)), demo.labels[step])
        simulator.step(action)


def test_the_limit_counts_the_experts_steps_alone():
    own = len(_record(settings=RecordingSettings(60, 0), lead=lead_away(6))) - 6
    assert isinstance(_record(settings=RecordingSettings(own, 0), lead=lead_away(6)), Demo)
    failed = _record(settings=RecordingSettings(own - 1, 0), lead=lead_away(6))
    assert isinstance(failed, FailedEpisode)
    assert failed.steps == own - 1 + 6


def test_a_policy_that_makes_no_mistake_leaves_nothing_to_correct():
    failed = _record(lead=expert)
    assert isinstance(failed, FailedEpisode)
    assert failed.reason == SOLVED_BEFORE


def test_the_experts_motion_begins_where_the_policys_ended():
    demo = _record(settings=RecordingSettings(200, 0, motion=MotionLimits(0.1, 0.1)), lead=lead_away(6))
    assert isinstance(demo, Demo)
    changes = np.abs(np.diff(demo.labels[5:, :3], axis=0)).max(axis=1)
    assert changes.max() == pytest.approx(0.1, abs=1e-6)
