import numpy as np
import pytest

from eval_bridge.report.collection.demo_scene import goal_names, item_addresses, positions_at

BDDL = """(define (problem kitchen)
  (:init (On plate_1 table))
  (:goal
    (And (On bowl_1 plate_1) (Open cabinet_1_top_region))
  )
)"""
MODEL = """<mujoco>
  <default><joint damping="1"/></default>
  <worldbody>
    <body name="robot">
      <joint name="robot_joint1"/>
      <body><joint name="robot_joint2" type="slide"/><body><joint name="wrist" type="ball"/></body></body>
    </body>
    <body name="plate_1"><joint name="plate_1_joint0" type="free"/></body>
    <body name="cabinet_1"><joint name="cabinet_1_top_level" type="slide"/></body>
    <body name="bowl_1"><freejoint name="bowl_1_joint0"/></body>
  </worldbody>
  <equality><joint joint1="robot_joint1"/></equality>
</mujoco>"""


def test_goal_names_in_order():
    assert goal_names(BDDL) == ("And", "On", "bowl_1", "plate_1", "Open", "cabinet_1_top_region")
    assert goal_names("(define (problem kitchen))") == ()


def test_addresses_count_every_joint_before():
    """Time 1, hinge 1, slide 1, ball 4: the plate begins at 7; its 7 and a slide: the bowl begins at 15."""
    assert item_addresses(MODEL, goal_names(BDDL)) == {"bowl_1": 15, "plate_1": 7}


def test_positions():
    found = positions_at(np.arange(30.0), {"bowl_1": 15})
    assert found["bowl_1"].tolist() == [15.0, 16.0, 17.0]


def test_no_xml():
    with pytest.raises(ValueError, match="model_xml is no XML"):
        item_addresses("<mujoco", ("bowl_1",))
