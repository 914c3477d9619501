"""Times every decoder of a run, stage by stage and as deployed, and says what it decoded in how many passes.

    python -m launch.benchmark --config configs/decoding_benchmark.py

Writes the figures and a page with plots, and prints a table. Interrupted, it goes on where it was, batch size by batch
size, if the same command runs on the same code and device.
"""

import functools
from pathlib import Path

from ml_collections import ConfigDict

from eval_bridge.decoding_benchmark.measuring import run_benchmark
from eval_bridge.decoding_benchmark.settings import BenchmarkSettings
from eval_bridge.report.decoding_benchmark.page import write_page
from eval_bridge.report.decoding_benchmark.table import terminal_table
from launch.config_flags import run
from rsd_jax.atomic_files import write_json
from rsd_jax.provenance import device_name, device_slug
from rsd_jax.registry import to_dataclass


def main(config: ConfigDict) -> None:
    """Measures what `config` names and writes the results."""
    values = config.to_dict()
    output = Path(values.pop("output").replace("DEVICE", device_slug(device_name())))
    settings = to_dataclass(BenchmarkSettings, values)
    unfinished = output.with_suffix(".unfinished.json")
    results = run_benchmark(settings, unfinished, functools.partial(print, flush=True))
    output.parent.mkdir(parents=True, exist_ok=True)
    write_json(output, results)
    page = output.with_suffix(".html")
    write_page(results, page)
    unfinished.unlink()
    print(terminal_table(results))
    print(f"\n{output}\n{page}")


if __name__ == "__main__":
    run(main)
