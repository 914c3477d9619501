"""Runs a module whose wall clock steps by hours to and fro; nothing outside of its process notices.

python -m tests.campaigns.stepped_clock SEED MODULE ARGUMENT...
"""

import random
import runpy
import sys
import time


def step_clock(seed: int) -> None:
    """Has `time.time` and `time.time_ns` jump by up to a day, at every fiftieth question or so."""
    rng, real, offset = random.Random(seed), time.time_ns, 0

    def stepped() -> int:
        nonlocal offset
        if rng.random() < 0.02:
            offset = int(rng.uniform(-86400e9, 86400e9))
        return real() + offset

    time.time_ns = stepped
    time.time = lambda: stepped() / 1e9


if __name__ == "__main__":
    _, seed, module, *arguments = sys.argv
    step_clock(int(seed))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
