"""LIBERO's raw observations for programs in another environment, and steps by their actions, over a local socket.

A program connects and sends ``("observe",)``, ``("step", seven numbers)`` or ``("done", what it found)``. What it gets
is bytes, numbers and texts alone: the NumPy of the other side is another one.
"""

import subprocess
import sys
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from eval_bridge.simulators.libero.environment import LiberoSimulator

ROOT = Path(__file__).parents[4]
PYTHON = ROOT / ".venv-clients/bin/python"
PROGRAMS = Path(__file__).parent

needs_clients = pytest.mark.skipif(
    not PYTHON.is_file(), reason="others' clients are not installed: `make set-up-clients` makes their environment"
)


class ClientEpisode(NamedTuple):
    """What a client's program did: the actions as executed, ``float32 [T, 7]``, and what it told at its end."""

    actions: np.ndarray
    told: Any


def raw_observation(simulator: LiberoSimulator) -> dict[str, Any]:
    """What robosuite's observation holds, by its names."""
    observables = simulator._environment()._observables
    names = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")
    frames = {"agentview_image": "agentview", "robot0_eye_in_hand_image": "wrist"}
    return {name: [float(number) for number in observables[name].obs] for name in names} | {
        name: simulator.render(camera).tobytes() for name, camera in frames.items()
    }


def run_program(
    name: str, address: str, simulator: LiberoSimulator, steps: int, folder: Path, python: Path = PYTHON
) -> ClientEpisode:
    """Runs ``peers/NAME.py`` with the server's address for so many steps, from where the simulator stands."""
    executed = []
    place = str(folder / f"{name}.socket")
    with Listener(place, "AF_UNIX") as listener:
        command = [str(python), str(PROGRAMS / f"{name}.py"), place, address, str(steps), simulator.instruction]
        program = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            listener._listener._socket.settimeout(120)
            with listener.accept() as connection:
                while True:
                    kind, *content = connection.recv()
                    if kind == "observe":
                        connection.send(raw_observation(simulator))
                    elif kind == "step":
                        executed.append(np.array(content[0], np.float32))
                        connection.send(simulator.step(executed[-1]))
                    else:
                        return ClientEpisode(np.stack(executed), content[0])
        except (EOFError, OSError) as error:
            program.kill()
            raise AssertionError(f"{name} ended early:\n{program.communicate()[1]}") from error
        finally:
            program.kill()
            print(program.communicate()[1], file=sys.stderr)
