"""LIBERO as a `Simulator`: one task, physics always, rendering on demand."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval_bridge.observations import Observation
from eval_bridge.simulators.axis_angle import axis_angle_from_quaternion
from eval_bridge.simulators.interface import EpisodeStart, Goal, Probe
from eval_bridge.simulators.libero import reset
from eval_bridge.simulators.libero.cameras import Cameras
from eval_bridge.simulators.libero.looks.applying import ModelLooks
from eval_bridge.simulators.libero.looks.values import Looks
from eval_bridge.simulators.libero.quiet_import import quiet
from eval_bridge.simulators.libero.scene_changes import UNCHANGED, SceneChanges, changed_scene
from eval_bridge.simulators.libero.scene_geometry import Predicate
from eval_bridge.simulators.libero.scene_queries import SceneQueries
from eval_bridge.simulators.libero.state_capture import capture_start, flat_state, with_arm_turned
from eval_bridge.simulators.libero.stepping import Stepper
from eval_bridge.simulators.libero.strangers import far_pose
from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.simulators.libero.task_files import task_instruction
from eval_bridge.simulators.perturbation.camera_pose import CameraMove

ACTION_DIMENSION = 7


class LiberoSimulator:
    """One LIBERO task (implements `eval_bridge.simulators.interface.Simulator`).

    LIBERO is imported and the scene compiled (about 10 s) when first needed, so that an object of this class may be
    made anywhere and used in a worker process.

    Attributes:
        suite: name of the suite.
        task: name of the task.
        changes: of its scene.
    """

    def __init__(self, suite: str, task: int | str, changes: SceneChanges = UNCHANGED) -> None:
        """Names the task, by index or name.

        Raises:
            UnknownName: no such suite or task.
        """
        self.suite = suite
        self.task = get_suite(suite).task_name(task)
        self.changes = changes
        self._instruction: str | None = None
        self._wrapper: Any = None
        self._cameras: Cameras | None = None
        self._queries: SceneQueries | None = None
        self._stepper: Stepper | None = None
        self._looks: ModelLooks | None = None
        self._is_closed = False

    @property
    def instruction(self) -> str:
        """The language instruction of the task."""
        if self._instruction is None:
            self._instruction = task_instruction(self.suite, self.task)
        return self._instruction

    @property
    def queries(self) -> SceneQueries:
        """Geometry and goal of the scene, for a scripted expert."""
        self._environment()
        assert self._queries is not None
        return self._queries

    @property
    def cameras(self) -> Cameras:
        """The cameras of the scene."""
        self._environment()
        assert self._cameras is not None
        return self._cameras

    @property
    def looks(self) -> ModelLooks:
        """How the scene looks; `begin` shows what its start tells."""
        if self._looks is None:
            self._looks = ModelLooks(self._environment(), self.cameras)
        return self._looks

    def draw_start(self, seed: int) -> EpisodeStart:
        """Draws a start by the task's own random reset; `begin` must follow. See `reset.draw_start`."""
        environment = self._environment()
        self._show(None)
        self.cameras.place(None)
        start = reset.draw_start(environment, seed)
        return start._replace(state=self.queries.state_with(start.state, self._strangers_away(start)))

    def begin(
        self, start: EpisodeStart, *, camera: CameraMove | None = None, posture: NDArray[np.float64] | None = None
    ) -> None:
        """Puts the scene into `start` and lets it settle. See `reset.begin`.

        Args:
            start: of this task.
            camera: move of the third-person camera in this episode; None leaves it in its place.
            posture: joint angles ``[7]`` that the arm's controller starts from, radians; None for those that the
                start's looks tell, or else its home.
        """
        environment, looks = self._environment(), self._show(start.looks)
        self.cameras.place(camera, looks.cameras)
        if posture is None and looks.posture is not None:
            posture = np.array(looks.posture)
        reset.begin(environment, start, self._step, posture)

    def with_arm_turned(self, start: EpisodeStart, turn: NDArray[np.float64]) -> EpisodeStart:
        """A start whose arm has its joints turned by ``[7]`` radians."""
        return start._replace(state=with_arm_turned(self._environment(), start.state, turn))

    def step(self, action: NDArray[np.float32]) -> bool:
        """Executes one action for 50 ms, as LIBERO's environment does to the last bit (`Stepper`).

        Args:
            action: ``[7]``: three translations, three rotations, gripper (-1 opens, +1 closes). It is executed as
                float32, so that a replay from stored actions is exact.

        Returns:
            Whether the task's goal holds now. Steps are not limited; whoever calls counts them.

        Raises:
            ValueError: the action has another shape or is not finite.
        """
        executed = np.asarray(action, np.float32)
        if executed.shape != (ACTION_DIMENSION,) or not np.isfinite(executed).all():
            raise ValueError(f"action must be 7 finite numbers, got shape {executed.shape}: {executed.tolist()}")
        return self._step(executed.astype(np.float64))

    def observe(self) -> Observation:
        """Renders both cameras and reads the robot, at the moment robosuite samples its observables."""
        return Observation(self.render("agentview"), self.render("wrist"), self.proprio(), self.instruction)

    def proprio(self) -> NDArray[np.float32]:
        """End-effector position, axis-angle and finger positions, ``float32 [8]``, without rendering."""
        sampled = {name: self._environment()._observables[f"robot0_{name}"].obs for name in _PROPRIO}
        rotation = axis_angle_from_quaternion(sampled["eef_quat"])
        return np.concatenate([sampled["eef_pos"], rotation, sampled["gripper_qpos"]]).astype(np.float32)

    @cached_property
    def goal(self) -> Goal:
        """The predicates of the task's definition."""
        predicates = self.queries.goal
        named = list(dict.fromkeys(name for predicate in predicates for name in predicate.arguments))
        items = tuple(name for name in named if name in self.queries.object_names)
        moving = {
            name for predicate in predicates if predicate.name in _JOINT_PREDICATES for name in predicate.arguments
        }
        joints = tuple(name for name in named if name in moving)
        return Goal(tuple((predicate.name, *predicate.arguments) for predicate in predicates), items, joints)

    def probe(self) -> Probe:
        """Where everything is that the goal is about, after the last step."""
        queries, goal = self.queries, self.goal
        return Probe(
            eef_position=queries.eef_position(),
            eef_rotation=self.proprio()[3:6].astype(np.float64),
            finger_opening=queries.finger_width(),
            goal_holds=tuple(queries.holds(Predicate(words[0], words[1:])) for words in goal.predicates),
            item_positions=np.array([queries.pose(name).position for name in goal.items]).reshape(-1, 3),
            joint_positions=np.array([queries.joint(name).value for name in goal.joints]),
        )

    def render(self, camera: str) -> NDArray[np.uint8]:
        """One frame of "agentview" or "wrist", ``uint8 [256, 256, 3]``, upside-down. See `Cameras.render`."""
        return self.cameras.render(camera)

    def state(self) -> NDArray[np.float64]:
        """The flattened simulator state, ``float64 [S]``."""
        return flat_state(self._environment())

    def restore(self, state: NDArray[np.float64]) -> None:
        """Puts everything that moves into ``state [S]``, in the middle of an episode. See `reset.restore`."""
        reset.restore(self._environment(), state)

    def model_xml(self) -> str:
        """The compiled scene as MuJoCo's XML, for the provenance of demonstrations."""
        return str(self._environment().sim.model.get_xml())

    def capture_start(self) -> EpisodeStart:
        """State and fixture poses as they are now."""
        return capture_start(self._environment())

    def is_solved(self) -> bool:
        """Whether the task's goal holds."""
        return bool(self._environment()._check_success())

    def close(self) -> None:
        """Frees the renderer and the scene. May be called twice; nothing else may be called afterwards."""
        if self._cameras is not None:
            self._cameras.close()
        if self._wrapper is not None:
            self._wrapper.env.close()
        self._cameras, self._queries, self._stepper, self._looks, self._wrapper = None, None, None, None, None
        self._is_closed = True

    def _strangers_away(self, start: EpisodeStart) -> dict[str, NDArray[np.float64]]:
        """Where strangers lie that no layout puts anywhere, as `SceneQueries.poses_in`."""
        queries, poses = self.queries, {}
        for number, name in enumerate(self.changes.stranger_names):
            lowest = queries.world_box(queries.collision_geoms(name)).lower[2] - queries.pose(name).position[2]
            poses[name] = far_pose(queries.poses_in(start.state)[name][3:], lowest, number)
        return poses

    def _show(self, values: Mapping[str, Any] | None) -> Looks:
        """Shows the looks that a start tells, or the task's own."""
        looks = Looks() if values is None else Looks.of(values)
        if looks != (Looks() if self._looks is None else self._looks.shown):
            self.looks.show(looks)
        return looks

    def _step(self, action: NDArray[np.float64]) -> bool:
        self._environment()
        assert self._stepper is not None
        return self._stepper.step(action)

    def _environment(self) -> Any:
        """LIBERO's environment, without the wrapper whose `reset` repeats for ever after any error."""
        if self._is_closed:
            raise RuntimeError(f"The simulator of {self.task} is closed; make a new one.")
        if self._wrapper is None:
            self._wrapper = build_environment(self.suite, self.task, self.changes)
            self._cameras = Cameras(self._wrapper.env)
            self._queries = SceneQueries(self._wrapper.env)
            self._stepper = Stepper(self._wrapper.env)
        return self._wrapper.env


def build_environment(suite: str, task: int | str, changes: SceneChanges = UNCHANGED, **options: Any) -> Any:
    """Compiles the scene of a task into LIBERO's ``ControlEnv``, without cameras.

    Args:
        suite: name of the suite.
        task: index or name of the task.
        changes: of the scene.
        **options: those of ``ControlEnv`` that differ from those that `LiberoSimulator` uses.
    """
    usual: dict[str, Any] = {
        "has_offscreen_renderer": False,
        "use_camera_obs": False,
        "hard_reset": False,
        "initialization_noise": "default",
        "ignore_done": True,
    }
    with changed_scene(suite, task, changes) as definition, quiet():
        from libero.libero.envs.env_wrapper import ControlEnv

        return ControlEnv(bddl_file_name=str(definition), **{**usual, **options})


_JOINT_PREDICATES = ("open", "close", "turnon", "turnoff")
_PROPRIO = ("eef_pos", "eef_quat", "gripper_qpos")
