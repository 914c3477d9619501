"""Renders, on demand, the frames that robosuite's camera observables would have given.

robosuite samples its observables once per control step, and not at its end: after the forced samples of a reset, the
schedule lands one physics substep (2 ms) before it. Its cameras would render at that moment, whether anybody looks
or not. Here an observable with the same schedule notes the poses of everything visible instead, which costs
microseconds, and a frame is rendered from the noted poses only when asked for. Physics never see the renderer: it
has simulation data of its own.
"""

import atexit
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.renderer import RENDERING_OFF, RendererNotFound
from eval_bridge.simulators.perturbation.camera_pose import (
    CameraMove,
    CameraPose,
    CameraShift,
    move_camera,
    shift_camera,
)
from rsd_jax.demos.frames import RENDER_SIZE

CAMERAS = {"agentview": "agentview", "wrist": "robot0_eye_in_hand"}
"""Name of a camera here -> in LIBERO."""

_VISIBLE = (
    "xpos", "xquat", "xmat", "xipos", "ximat", "geom_xpos", "geom_xmat",
    "site_xpos", "site_xmat", "cam_xpos", "cam_xmat", "light_xpos", "light_xdir",
)  # fmt: skip


class Cameras:
    """The two cameras of a LIBERO environment."""

    def __init__(self, env: Any) -> None:
        """Hooks into the observables of `env`, which must be built without cameras of its own."""
        from robosuite.utils.observables import Observable, sensor

        self._env = env
        model = env.sim.model
        self._indices = {name: model.camera_name2id(camera) for name, camera in CAMERAS.items()}
        self._home = {
            name: CameraPose(np.array(model.cam_pos[index]), np.array(model.cam_quat[index]))
            for name, index in self._indices.items()
        }
        self._stale_textures: set[int] = set()
        self._noted: dict[str, NDArray[np.float64]] = {}
        self._noted_site_colours: NDArray[np.float32] = np.array(env.sim.model.site_rgba)
        self._view: Any = None

        @sensor(modality="rendered_moment")
        def note(_: object) -> float:
            self._note()
            return 0.0

        env.add_observable(Observable(name="rendered_moment", sensor=note, sampling_rate=env.control_freq))

    def render(self, camera: str) -> NDArray[np.uint8]:
        """Renders one frame, ``uint8 [256, 256, 3]``, upside-down (LIBERO's "opengl" convention).

        Args:
            camera: a name in `CAMERAS`.

        Raises:
            ValueError: there is no such camera.
            RendererNotFound: the process was started without a renderer.
        """
        if camera not in CAMERAS:
            raise ValueError(f"camera = {camera!r} does not exist; the cameras are {', '.join(CAMERAS)}.")
        if self._view is None:
            self._open()
        data, model = self._view.data, self._view.model
        for field, values in self._noted.items():
            getattr(data, field)[:] = values
        current_colours = np.array(model.site_rgba)
        model.site_rgba[:] = self._noted_site_colours
        context = self._view._render_context_offscreen
        context.gl_ctx.make_current()
        while self._stale_textures:
            mujoco.mjr_uploadTexture(model._model, context.con, self._stale_textures.pop())
        frame = self._view.render(camera_name=CAMERAS[camera], width=RENDER_SIZE, height=RENDER_SIZE)
        model.site_rgba[:] = current_colours
        return frame

    def place(self, move: CameraMove | None, shifts: Mapping[str, CameraShift] = MappingProxyType({})) -> None:
        """Puts the third-person camera where a move takes it from its place, and shifts cameras; others go back.

        It shows when the scene is computed next, as the begin of an episode does.

        Args:
            move: of the third-person camera.
            shifts: camera, a name in `CAMERAS` -> how it is shifted then.
        """
        model = self._env.sim.model
        for name, index in self._indices.items():
            pose = home = self._home[name]
            if move is not None and name == "agentview":
                pose = move_camera(pose, move)
            if name in shifts:
                pose = shift_camera(pose, shifts[name])
            quaternion = pose.quaternion if pose is home else pose.quaternion / np.linalg.norm(pose.quaternion)
            model.cam_pos[index], model.cam_quat[index] = pose.position, quaternion

    def note_texture(self, texture: int) -> None:
        """The model's texture has changed; the renderer must have it before it renders again."""
        self._stale_textures.add(texture)

    def project(self, camera: str, point: NDArray[np.float64]) -> tuple[float, float]:
        """Where the geometry of the camera puts a point of the world in a frame as rendered.

        Args:
            camera: a name in `CAMERAS`.
            point: ``[3]``, metres; in front of the camera.

        Returns:
            Row and column in pixels. Row 0 is the lower edge of the view, since frames are upside-down.
        """
        model, index = self._env.sim.model, self._indices[camera]
        axes = self._noted["cam_xmat"][index].reshape(3, 3)
        right, up, backwards = axes.T @ (point - self._noted["cam_xpos"][index])
        focal_length = RENDER_SIZE / 2 / np.tan(np.deg2rad(model.cam_fovy[index]) / 2)
        return RENDER_SIZE / 2 - focal_length * up / backwards, RENDER_SIZE / 2 - focal_length * right / backwards

    def close(self) -> None:
        """Frees the renderer. May be called twice."""
        if self._view is not None:
            atexit.unregister(self.close)
            self._view.free()
            self._view = None

    def _note(self) -> None:
        data = self._env.sim.data
        self._noted = {field: np.array(getattr(data, field)) for field in _VISIBLE}
        # Lights that show a state (the stove's burner) switch after the observables were sampled.
        self._noted_site_colours = np.array(self._env.sim.model.site_rgba)

    def _open(self) -> None:
        if os.environ["MUJOCO_GL"].lower() in RENDERING_OFF:
            raise RendererNotFound(
                "MUJOCO_GL switched rendering off when LIBERO was imported; only physics work here."
            )
        from robosuite.utils.binding_utils import MjRenderContextOffscreen, MjSim

        self._view = MjSim(self._env.sim.model._model)  # shares the model, has data of its own
        context = MjRenderContextOffscreen(self._view, device_id=-1)
        context.vopt.geomgroup[0], context.vopt.geomgroup[1] = 0, 1  # collision shapes hidden, visual ones shown
        self._stale_textures.clear()  # the context has just read all of them
        atexit.register(self.close)  # before the renderer's own exit handler closes the display under it
