"""A server that speaks as openpi's does, by openpi's own codec, and tells what it is sent; prints its port.

Runs in the clients' environment. openpi's server itself is in no package of the index; the order of its messages is
that of its ``websocket_policy_server.py``.
"""

import asyncio
import traceback

import numpy as np
import websockets.asyncio.server
from openpi_client import msgpack_numpy


async def handle(connection):
    await connection.send(msgpack_numpy.packb({"name": "a foreign policy", "norm": np.float32(0.5)}))
    async for message in connection:
        try:
            await connection.send(msgpack_numpy.packb(infer(msgpack_numpy.unpackb(message))))
        except Exception:
            await connection.send(traceback.format_exc())
            await connection.close(1011, "Internal server error. Traceback included in previous frame.")
            raise


def infer(obs):
    if obs["prompt"] == "fail":
        raise RuntimeError("out of memory")
    actions = np.zeros((10, 7))
    actions[:, 0] = obs["observation/state"][0]
    actions[:, 1] = obs["observation/image"].shape[0]
    actions[:, 2] = obs["observation/wrist_image"][-1, -1, 0]
    actions[:, 3] = len(obs)
    actions[:, 4] = np.arange(10)
    return {"actions": actions, "policy_timing": {"infer_ms": 1.0}}


async def main():
    async with websockets.asyncio.server.serve(handle, "127.0.0.1", 0, compression=None, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
