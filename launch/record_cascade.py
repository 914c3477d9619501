r"""Keeps the published figures of a run's cascades: one JSON file, and a document's section made from it.

    python -m launch.time_cascade --run_dir RUN --settings "rule=confidence threshold=0.1" --out time.json
    python -m launch.record_cascade RUN --times time.json --results results/cascade.json --readme docs/decoding.md

Every complete evaluation by `cascade` or `early_exit` on the evaluation states is a row, whatever its folder is
called, beside the full decoder's on the same starts, with what `launch.calibrate` and `launch.time_cascade` found for
the same settings. Whether a row's settings were named before is told by the pipeline's configuration: written out, or
as the calibration that fitted them. Nothing but paired statistics is computed here. Without a run, the section is made
again from the file.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from eval_bridge.evidence.cascade_record import CascadeQuery, read_cascade_record
from eval_bridge.evidence.cascade_section import describe
from eval_bridge.report.markdown import renew
from eval_bridge.runs.pipeline_stages import named_decoders
from launch.command_line import path_argument, run_command
from launch.config_flags import load_config
from rsd_jax.atomic_files import write_atomically
from rsd_jax.checkpoints import CheckpointError

README = Path("README.md")
"""What links are relative to where no document is named."""


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.record_cascade", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("run", nargs="?", type=path_argument, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--times", nargs="+", default=[], type=path_argument, metavar="FILE.json", help="of launch.time_cascade"
    )
    parser.add_argument("--full", type=path_argument, metavar="FOLDER", help="evaluation to compare with; left out, "
                        "the run's own by fixed_point, autoregressive or speculative_greedy")  # fmt: skip
    parser.add_argument(
        "--pipeline", default="configs/libero_spatial.py", metavar="FILE[:variant]", help="where settings are named"
    )
    parser.add_argument("--simulator", default="libero", help="as in configs/libero_eval.py")
    parser.add_argument("--suite", default="libero_spatial")
    parser.add_argument("--alpha", type=float, default=0.05, help="which calibration is told where several fit a row")
    parser.add_argument("--epsilon", type=float, default=0.1, help="likewise")
    parser.add_argument("--results", required=True, type=path_argument, metavar="FILE", help="where they are kept")
    parser.add_argument(
        "--readme", type=path_argument, metavar="DOCUMENT", help="also put the section between its markers, which are "
        "called as the file of --results is"
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.run is not None:
        _, config = load_config(options.pipeline)
        of = config.calibration
        query = CascadeQuery(
            simulator=options.simulator,
            suite=options.suite,
            named=named_decoders(tuple(config.decoders), config.decoder_settings.to_dict()),
            named_calibration=None if config.decoder_settings.cascade else (of.rule, of.alpha, of.epsilon),
            full=options.full,
            times=tuple(options.times),
            alpha=options.alpha,
            epsilon=options.epsilon,
        )
        record = read_cascade_record(options.run, query)
        options.results.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(options.results, json.dumps(record, indent=1, allow_nan=False) + "\n")
    section = describe(json.loads(options.results.read_text()), options.results, options.readme or README)
    if options.readme is not None:
        renew(options.readme, options.results.stem, section)
    print(section)


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]), expected=(ValueError, OSError, CheckpointError))
