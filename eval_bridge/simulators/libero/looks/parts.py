"""What of a compiled scene is changed together: all things of a class, or what has one material of the room."""

from typing import Any, NamedTuple

import mujoco
import numpy as np

from eval_bridge.simulators.libero.surface_colour import shows_own_colour
from eval_bridge.simulators.libero.variant_looks import VISUAL_GROUP, drawn_geoms

_ROBOT = ("robot", "gripper", "mount")
"""How names of its bodies begin."""

_PLAIN = (mujoco.mjtGeom.mjGEOM_PLANE, mujoco.mjtGeom.mjGEOM_BOX)
"""Shapes on which any texture fits."""


class Part(NamedTuple):
    """Indices into the compiled model.

    Attributes:
        geoms: that are drawn; of things of a class, those of the first.
        coloured_geoms: all that show a colour of their own. coloured_materials: those without a texture.
        materials: all. textures: of them.
        is_plain: whether any texture fits.
    """

    geoms: tuple[int, ...]
    coloured_geoms: tuple[int, ...]
    coloured_materials: tuple[int, ...]
    materials: tuple[int, ...]
    textures: tuple[int, ...]
    is_plain: bool


def thing_parts(env: Any) -> dict[str, Part]:
    """Class -> its things, of a LIBERO environment."""
    found = {}
    for kind in (env.parsed_problem["objects"], env.parsed_problem["fixtures"]):
        for name, things in kind.items():
            geoms = [drawn_geoms(env, thing) for thing in things if thing in env.obj_body_id]
            if geoms and any(geoms[0]):
                found[name] = _part(env.sim.model._model, geoms)
    return found


def surface_parts(env: Any) -> dict[str, Part]:
    """Material -> what of the room has it, of a LIBERO environment."""
    model = env.sim.model._model
    taken = {geom for thing in env.obj_body_id for geom in drawn_geoms(env, thing)}
    by_material: dict[int, list[int]] = {}
    for geom in np.flatnonzero((model.geom_group == VISUAL_GROUP) & (model.geom_matid >= 0)).tolist():
        body = model.body(model.geom_bodyid[geom]).name
        if geom not in taken and not body.startswith(_ROBOT):
            by_material.setdefault(int(model.geom_matid[geom]), []).append(geom)
    return {model.material(index).name: _part(model, [geoms]) for index, geoms in by_material.items()}


def _part(model: Any, things: list[list[int]]) -> Part:
    geoms = [geom for thing in things for geom in thing]
    seen = [geom for geom in geoms if model.geom_rgba[geom, 3] > 0]
    materials = sorted({int(model.geom_matid[geom]) for geom in seen} - {-1})
    texture_of = {index: int(model.mat_texid[index, mujoco.mjtTextureRole.mjTEXROLE_RGB]) for index in materials}
    textures = sorted({texture for texture in texture_of.values() if texture >= 0})
    return Part(
        geoms=tuple(things[0]),
        coloured_geoms=tuple(geom for geom in seen if shows_own_colour(model, geom)),
        coloured_materials=tuple(index for index, texture in texture_of.items() if texture < 0),
        materials=tuple(materials),
        textures=tuple(texture for texture in textures if model.tex_nchannel[texture] == 3),
        is_plain=all(model.geom_type[geom] in _PLAIN for geom in seen),
    )
