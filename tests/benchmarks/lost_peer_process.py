"""One process of `tests.benchmarks.lost_peer`: works with the other one, apart from it, or compiles while it waits."""

import logging
import sys
import threading
import time

import jax
import jax.numpy as jnp

from rsd_jax.distributed import hosts


def work(how: str) -> None:
    """Takes steps until the other one is lost."""
    print("READY", flush=True)
    with hosts.taking_steps():
        while True:
            if how == "together":
                hosts.everywhere(True)
            else:
                time.sleep(0.01)
                jnp.ones((64, 64)).sum().block_until_ready()


def compile_long(seconds: float) -> tuple[float, float]:
    """Compiles one program for about `seconds`; how long it took, and for how long a thread beside it got no turn."""
    longest, is_done = 0.0, threading.Event()

    def watch() -> None:
        nonlocal longest
        last = time.monotonic()
        while not is_done.wait(0.05):
            longest = max(longest, time.monotonic() - last)
            last = time.monotonic()

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.monotonic()
    length = 200
    while True:
        started = time.monotonic()
        jax.jit(lambda x, length=length: _chain(x, length)).lower(jnp.ones((8, 8))).compile()
        took = time.monotonic() - started
        if took > 0.6 * seconds:
            break
        # Passes of the compiler take up to the third power of the program's length: never far beyond what was asked.
        length = int(length * min(2.0, max(1.1, (0.9 * seconds / took) ** (1 / 3))))
    is_done.set()
    watching.join()
    print(
        f"compiled in {took:.1f} s, longest silence of a thread {longest:.2f} s, of {time.monotonic() - began:.0f} s"
    )
    return took, longest


def _chain(x: jax.Array, length: int) -> jax.Array:
    for number in range(length):
        x = jnp.sin(x @ x + number) + jnp.cumsum(x, axis=0)
    return x


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    hosts.initialise()
    with hosts.leaving_together():
        hosts.everywhere(True)  # the first time they must meet within 30 s, or Gloo gives up
        if sys.argv[1] != "compile":
            work(sys.argv[1])
        with hosts.taking_steps():
            if jax.process_index() == 1:
                compile_long(float(sys.argv[2]))
            print("all", hosts.everywhere(True))
