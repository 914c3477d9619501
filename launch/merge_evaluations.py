r"""Unites the parts of an evaluation that several hosts ran, into what one host would have written.

    python -m launch.evaluate --config configs/libero_eval.py --config.run_dir=runs/NAME --config.shard=0/2
    python -m launch.evaluate --config configs/libero_eval.py --config.run_dir=runs/NAME --config.shard=1/2
    python -m launch.merge_evaluations --config.run_dir=runs/NAME

The parts lie in ``RUN_DIR/evaluation/shards/PART_of_PARTS/`` (where hosts share no folder, copy them there) and stay
as they are. All of them must be there, complete, and of the same evaluation.
"""

from ml_collections import ConfigDict

from eval_bridge.evaluation.folder import results_folder
from eval_bridge.evaluation.merging import find_shards, merge_evaluations
from eval_bridge.evaluation.summary import describe
from eval_bridge.report.evaluation.writing import write_evaluation_report
from launch.config_flags import run
from rsd_jax.run_folder import REPORT_NAME


def main(config: ConfigDict) -> None:
    """Merges and prints the result."""
    run_dir = results_folder(config.run_dir, config.policy)
    output = run_dir / config.output
    summary, episodes = merge_evaluations(output, find_shards(output))
    others = [run_dir / name for name in config.compare_with]
    write_evaluation_report(output, summary, episodes, others, config.to_dict())
    print(describe(summary, output / REPORT_NAME))


if __name__ == "__main__":
    run(main, default="configs/libero_eval.py", expected=(ValueError, OSError))
