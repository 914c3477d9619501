"""A server of vla-evaluation-harness with a policy that tells what it is sent; prints its port. No arguments.

Runs in the clients' environment.
"""

import socket

import numpy as np
from vla_eval.model_servers.predict import PredictModelServer
from vla_eval.model_servers.serve import serve
from vla_eval.specs import GRIPPER_CLOSE_01, IMAGE_RGB, POSITION_DELTA


class TellingServer(PredictModelServer):
    """Chunks of three actions: the state's first number, both images' corners, how often it was asked."""

    def __init__(self):
        super().__init__(chunk_size=3)
        self.asked = 0

    def predict(self, obs, ctx):
        self.asked += 1
        actions = np.zeros((3, 7), np.float32)
        actions[:, 0] = obs["states"][0]
        actions[:, 1] = obs["images"]["agentview"][0, 0, 0]
        actions[:, 2] = obs["images"]["wrist"].shape[0]
        actions[:, 3] = self.asked
        actions[:, 4] = ctx.step
        actions[:, 5] = len(obs["task_description"])
        actions[:, 6] = 1  # closes: 0 opens
        return {"actions": actions}

    def get_observation_params(self):
        return {"send_wrist_image": True, "send_state": True}

    def get_action_spec(self):
        return {"position": POSITION_DELTA, "gripper": GRIPPER_CLOSE_01}

    def get_observation_spec(self):
        return {"image": IMAGE_RGB}


with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
print(port, flush=True)
serve(TellingServer(), "127.0.0.1", port)
