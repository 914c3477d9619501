r"""Writes a fine-tuned OpenVLA as the policy of a run of its own, its adapters merged, which everything takes.

    python -m launch.export_finetuned --run_dir runs/openvla --out runs/openvla_finetuned

Needs RUN/openvla_finetune (configs/openvla_finetune.py) and the policy that it began with. Then the new run is like
one of launch.convert_openvla: with demonstrations in its folder (a link to RUN/demos will do) features are extracted,
and tokenizer, draft model and main head learn on them.
"""

import argparse
import sys
from collections.abc import Sequence

from launch.command_line import path_argument, run_command
from rsd_jax.stored_models.openvla.finetuned_export import export_finetuned


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.export_finetuned",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run_dir", type=path_argument, required=True, metavar="RUN", help="the run's folder")
    parser.add_argument("--out", type=path_argument, required=True, metavar="FOLDER", help="a run's folder without a "
                        "policy")  # fmt: skip
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), help="of the parameters; left out, as before")
    options = parser.parse_args(arguments)
    print(export_finetuned(options.run_dir, options.out, options.dtype))


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
