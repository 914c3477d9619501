"""Mean colours of surfaces, and what objects look like beside others."""

import mujoco
import numpy as np
import pytest

from eval_bridge.simulators.libero.surface_colour import lab_of, surface_colour
from eval_bridge.simulators.libero.variant_looks import appearance, scale_between

# A corner cut off a cube: three faces of area 1/2 and a slanted one of sqrt(3)/2, each with a place of its own in the
# texture.
SCENE = """
<mujoco>
  <asset>
    <texture name="halves" type="2d" builtin="flat" width="8" height="8"/>
    <material name="halves" texture="halves" rgba="{material}"/>
    <mesh name="corner" scale="{scale} {scale} {scale}" texcoord="{texcoord}"
      vertex="0 0 0  0 1 0  1 0 0   0 0 0  0 0 1  0 1 0   0 0 0  1 0 0  0 0 1   1 0 0  0 1 0  0 0 1"
      face="0 1 2  3 4 5  6 7 8  9 10 11"/>
  </asset>
  <worldbody>
    <body name="corner"><geom name="corner" type="mesh" mesh="corner" material="halves" group="1" {rgba}/></body>
    <body name="box"><geom name="box" type="box" size="{scale} 1 1" rgba="1 0 0 1" group="1"/></body>
    <body name="ghost"><geom name="ghost" type="box" size="1 1 1" rgba="1 0 0 0" group="1"/></body>
  </worldbody>
</mujoco>
"""
LEFT, RIGHT = "0.25 0.1", "0.75 0.1"


def model(material="1 1 1 1", rgba="", faces=(LEFT, LEFT, LEFT, RIGHT), scale=1.0):
    """The corner with a texture that is black in its left half and white in its right."""
    texcoord = " ".join(place for place in faces for _ in range(3))
    compiled = mujoco.MjModel.from_xml_string(
        SCENE.format(material=material, rgba=rgba, texcoord=texcoord, scale=scale)
    )
    texture = texture_of(compiled)
    texture[:, :4], texture[:, 4:] = 0, 255
    return compiled


def texture_of(compiled):
    return compiled.tex_data.reshape(8, 8, 3)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1, 1, 1), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((0.5, 0.5, 0.5), (53.39, 0.0, 0.0)),
    ],
)
def test_known_colours(rgb, lab):
    np.testing.assert_allclose(lab_of(np.array(rgb, np.float64)), lab, atol=0.01)


def test_a_surface_counts_as_much_as_its_area():
    slanted = np.sqrt(3) / 2
    np.testing.assert_allclose(surface_colour(model(), [0]), [100 * slanted / (1.5 + slanted), 0, 0], atol=0.01)
    one_straight = surface_colour(model(faces=(LEFT, RIGHT, LEFT, LEFT)), [0])
    assert one_straight[0] == pytest.approx(100 * 0.5 / (1.5 + slanted), abs=0.01)


def test_a_colour_of_the_geom_or_else_of_the_material_multiplies_the_texture():
    white, red = (RIGHT,) * 4, lab_of(np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(surface_colour(model(material="1 0 0 1", faces=white), [0]), red, atol=1e-6)
    both = model(material="0 1 0 1", rgba='rgba="1 0 0 1"', faces=white)
    np.testing.assert_allclose(surface_colour(both, [0]), red, atol=1e-6)
    np.testing.assert_allclose(surface_colour(both, [1, 2]), red, atol=1e-6)


def test_what_nobody_sees_has_no_colour():
    with pytest.raises(ValueError, match="not transparent"):
        surface_colour(model(), [2])


def test_the_first_row_of_a_texture_is_where_its_second_coordinate_is_zero():
    compiled = model()
    texture_of(compiled)[:4], texture_of(compiled)[4:] = 255, 0
    assert surface_colour(compiled, [0])[0] == pytest.approx(100.0, abs=0.01)


class Environment:
    """As much of LIBERO's environment as tells what things are made of."""

    def __init__(self, compiled):
        wrapper = type("Model", (), {"_model": compiled})
        self.sim = type("Sim", (), {"model": wrapper})
        self.obj_body_id = {"corner_1": compiled.body("corner").id, "box_1": compiled.body("box").id}


def test_an_object_of_the_same_shape_has_a_scale():
    one, other = Environment(model()), Environment(model(scale=1.5))
    first, second = appearance(one, "corner_1"), appearance(other, "corner_1")
    assert scale_between(first, second) == pytest.approx(1.5)
    np.testing.assert_allclose(first.colour, second.colour)
    assert scale_between(appearance(one, "box_1"), second) is None
