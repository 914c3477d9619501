"""An episode by openpi's client, as openpi's own example runs LIBERO: ``SOCKET ADDRESS STEPS INSTRUCTION``.

Runs in the clients' environment. Of the example it differs in the frames' size, 256 instead of 224, and in executing
whole chunks: what our server declares.
"""

import collections
import math
import sys
from importlib.metadata import version
from multiprocessing.connection import Client

import numpy as np
from openpi_client import image_tools
from openpi_client.websocket_client_policy import WebsocketClientPolicy


def axis_angle(quaternion):
    """As robosuite has it, whose ``quat2axisangle`` the example copies."""
    w = min(max(quaternion[3], -1.0), 1.0)
    sine = np.sqrt(1.0 - w * w)
    return np.zeros(3) if math.isclose(sine, 0.0) else quaternion[:3] * 2.0 * math.acos(w) / sine


def main():
    place, address, steps, instruction = sys.argv[1:]
    policy = WebsocketClientPolicy(address)
    conventions = policy.get_server_metadata()["conventions"]
    size, length = conventions["image_size"], conventions["chunk_length"]
    plan, success = collections.deque(), False
    with Client(place) as simulator:

        def image(raw, name):
            frame = np.frombuffer(raw[name], np.uint8).reshape(256, 256, 3)
            turned = np.ascontiguousarray(frame[::-1, ::-1])
            return image_tools.convert_to_uint8(image_tools.resize_with_pad(turned, size, size))

        executed = 0
        while executed < int(steps) and not success:
            if not plan:
                simulator.send(("observe",))
                raw = simulator.recv()
                rotation = axis_angle(np.array(raw["robot0_eef_quat"]))
                element = {
                    "observation/image": image(raw, "agentview_image"),
                    "observation/wrist_image": image(raw, "robot0_eye_in_hand_image"),
                    "observation/state": np.concatenate([raw["robot0_eef_pos"], rotation, raw["robot0_gripper_qpos"]]),
                    "prompt": instruction,
                }
                plan.extend(policy.infer(element)["actions"][:length])
            simulator.send(("step", plan.popleft().tolist()))
            success, executed = simulator.recv(), executed + 1
        simulator.send(("done", {"success": success, "steps": executed, "version": version("openpi-client")}))


main()
