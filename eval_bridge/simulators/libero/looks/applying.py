"""Changes how a compiled scene looks, and takes back what it changed: nothing of one episode is left in the next.

Of a texture that is changed only every so many-th texel is kept (`LARGEST`): LIBERO's have up to 4096 a side, frames
256, and a renderer takes a texture of the size that the model tells. The texture itself comes back with every bit.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.cameras import Cameras
from eval_bridge.simulators.libero.looks.images import surface_image
from eval_bridge.simulators.libero.looks.parts import Part, surface_parts, thing_parts
from eval_bridge.simulators.libero.looks.recolouring import Recolouring
from eval_bridge.simulators.libero.looks.values import Looks, PartLook
from eval_bridge.simulators.libero.surface_colour import Surface, measure_surface, texture_content

LARGEST = 512
"""Texels a side of a texture that is changed."""

_DULLEST = 0.1  # shininess below which a reflection covers all of a surface, which is then white

_FIELDS = ("geom_rgba", "mat_rgba", "mat_specular", "mat_shininess", "light_pos", "light_diffuse", "light_specular")


class _OwnTexture(NamedTuple):
    """Width and height of a texture as compiled, the beginning of its content, and every so many-th texel of it."""

    shape: tuple[int, int]
    beginning: NDArray[np.uint8]
    reduced: NDArray[np.uint8]


class ModelLooks:
    """How a LIBERO environment looks, its cameras included."""

    def __init__(self, env: Any, cameras: Cameras) -> None:
        """Changes nothing yet; the scene is as it was compiled."""
        self._model, self._cameras = env.sim.model._model, cameras
        self.things: Mapping[str, Part] = thing_parts(env)
        self.surfaces: Mapping[str, Part] = surface_parts(env)
        self._own = {name: np.array(getattr(self._model, name)) for name in _FIELDS}
        headlight = self._model.vis.headlight
        self._own_headlight = {name: np.array(getattr(headlight, name)) for name in ("ambient", "diffuse")}
        self._textures: dict[int, _OwnTexture] = {}
        self._changed: set[int] = set()
        self._measured: dict[tuple[str, tuple[int, ...]], Surface] = {}
        self._shown = Looks()

    def show(self, looks: Looks) -> None:
        """Makes the scene look so; without arguments looks are the task's own.

        Lights and cameras show when the scene is computed next, as the begin of an episode does.

        Raises:
            ValueError: the looks are of another scene.
        """
        unknown = {*looks.things, *looks.surfaces} - {*self.things, *self.surfaces}
        if unknown or len(looks.lights) > self._model.nlight:
            raise ValueError(
                f"looks of another task change {sorted(unknown)} and {len(looks.lights)} lights; this scene has "
                f"{sorted({*self.things, *self.surfaces})} and {self._model.nlight} lights"
            )
        self._take_back()
        for parts, found in ((self.things, looks.things), (self.surfaces, looks.surfaces)):
            for name, look in found.items():
                self._change(parts[name], look)
        model = self._model
        for index, light in enumerate(looks.lights):
            model.light_pos[index] += light.shift
            model.light_diffuse[index] *= light.gain
            model.light_specular[index] *= light.gain
        for name, own in self._own_headlight.items():
            getattr(model.vis.headlight, name)[:] = own * looks.ambient
        self._shown = looks

    @property
    def num_lights(self) -> int:
        """Of the room, beside that of the camera."""
        return int(self._model.nlight)

    @property
    def shown(self) -> Looks:
        """How it looks now."""
        return self._shown

    @property
    def recoloured(self) -> tuple[str, ...]:
        """Classes of things of which a texture or a colour is now another one than as compiled."""
        return tuple(
            name
            for name, part in self.things.items()
            if self._changed & set(part.textures)
            or self._differs("geom_rgba", part.coloured_geoms)
            or self._differs("mat_rgba", part.coloured_materials)
        )

    def colour(self, name: str) -> NDArray[np.float64]:
        """Mean colour of things of a class as the model has it now, L*a*b* ``[3]`` (`surface_colour`)."""
        sizes = tuple(self._model.tex_width[list(self.things[name].textures)].tolist())
        if (name, sizes) not in self._measured:
            self._measured[name, sizes] = measure_surface(self._model, self.things[name].geoms)
        return self._measured[name, sizes].colour(self._model)

    def _differs(self, field: str, indices: tuple[int, ...]) -> bool:
        return not np.array_equal(getattr(self._model, field)[list(indices)], self._own[field][list(indices)])

    def _take_back(self) -> None:
        model = self._model
        for field, own in self._own.items():
            getattr(model, field)[:] = own
        for name, own in self._own_headlight.items():
            getattr(model.vis.headlight, name)[:] = own
        for texture in self._changed:
            self._write(texture, self._textures[texture].beginning, self._textures[texture].shape)
        self._changed.clear()
        self._shown = Looks()

    def _change(self, part: Part, look: PartLook) -> None:
        model = self._model
        if look.specular or look.shininess:
            for index in part.materials:
                model.mat_specular[index] = np.clip(model.mat_specular[index] + look.specular, 0.0, 1.0)
                model.mat_shininess[index] = np.clip(model.mat_shininess[index] + look.shininess, _DULLEST, 1.0)
        recolouring = look.recolouring or Recolouring()
        if recolouring != Recolouring():
            for rgba, indices in ((model.geom_rgba, part.coloured_geoms), (model.mat_rgba, part.coloured_materials)):
                for index in indices:
                    rgba[index, :3] = recolouring.of(rgba[index, :3])
        if recolouring == Recolouring() and look.image is None:
            return
        for texture in part.textures:
            own = self._own_texture(texture)
            content = own.reduced
            if look.image is not None:
                content = surface_image(look.image, min(LARGEST, *own.shape))
            content = recolouring.of_texture(content)
            self._write(texture, content, (content.shape[1], content.shape[0]))
            self._changed.add(texture)

    def _own_texture(self, texture: int) -> _OwnTexture:
        if texture not in self._textures:
            content = texture_content(self._model, texture)
            width, height = content.shape[1], content.shape[0]
            apart = -(-width // LARGEST)
            reduced = content[::apart, ::apart].copy()
            beginning = content.reshape(-1)[: max(reduced.size, 3 * min(LARGEST, width, height) ** 2)].copy()
            self._textures[texture] = _OwnTexture((width, height), beginning, reduced)
        return self._textures[texture]

    def _write(self, texture: int, content: NDArray[np.uint8], shape: tuple[int, int]) -> None:
        model, begin = self._model, int(self._model.tex_adr[texture])
        model.tex_data[begin : begin + content.size] = content.reshape(-1)
        model.tex_width[texture], model.tex_height[texture] = shape
        self._cameras.note_texture(texture)
