"""One process of `tests.benchmarks.scaling`: how fast the policy trains on the devices of all processes together."""

import argparse
import json

import jax

from launch.config_flags import load_config
from rsd_jax.distributed import hosts
from tests.benchmarks.policy_step_speed import matrix_rate, measure


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, metavar="FILE[:variant]")
    parser.add_argument("--batch", type=int, required=True, help="rows a step and device")
    parser.add_argument("--steps", type=int, required=True)
    options = parser.parse_args()
    hosts.initialise()
    config = load_config(options.config)[1]
    config.training.batch_size = options.batch * jax.device_count()
    speed = measure(config, options.steps)
    is_cpu = jax.default_backend() == "cpu"
    rate = (matrix_rate(512, 2) if is_cpu else matrix_rate()) * jax.device_count()
    if hosts.is_primary():
        result = {"samples_per_s": speed["samples_per_second"], "mfu": speed["operations_per_second"] / rate}
        print(f"RESULT {json.dumps(result)}", flush=True)


if __name__ == "__main__":
    main()
