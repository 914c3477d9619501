"""How close demonstrations start to the states that policies are evaluated on.

    python -m launch.audit_demos --config.run_dir=runs/NAME

Nothing that trains or collects may see the evaluation states of a task. This command compares the starts of all
demonstrations of a run with them, after the fact: it prints the nearest pair of every task and writes it to
``RUN_DIR/demos/SUITE/audit.json``, with the digest of the file. Beside it stands the nearest pair among the evaluation
states themselves: independent draws of one distribution come about as close to each other. It fails if a demonstration
starts in an evaluation state.
"""

from pathlib import Path

from ml_collections import ConfigDict

from eval_bridge.collection.audit import TaskAudit, audit_suite, write
from eval_bridge.simulators.libero.suites import get_suite, suite_names
from launch.config_flags import run
from rsd_jax.run_folder import AUDIT_NAME, DEMOS_FOLDER, corrections_folder, suite_demo_paths


def main(config: ConfigDict) -> None:
    """Audits the suites that `config` names.

    Raises:
        ValueError: there is no such suite, a file is damaged or does not tell its starts, or a demonstration starts in
            an evaluation state.
        OSError: there are no demonstrations, or the result cannot be written.
    """
    folder = Path(config.run_dir) / DEMOS_FOLDER
    names = [get_suite(name).name for name in config.suites]
    found = [
        (suite, kind)
        for suite in names or suite_names()
        for kind in (suite, corrections_folder(suite))
        if suite_demo_paths(folder / kind) or kind in names
    ]
    if not found:
        raise FileNotFoundError(f"{folder} holds no demonstrations of a LIBERO suite; collect or convert some first.")
    unclean = []
    for suite, kind in found:
        audits = []
        for audit in audit_suite(suite, folder / kind):
            audits.append(audit)
            print(describe(kind, audit), flush=True)
        write(folder / kind / AUDIT_NAME, audits)
        unclean += [f"{kind}/{audit.task}" for audit in audits if not audit.is_clean]
    if unclean:
        raise ValueError(f"demonstrations of {', '.join(unclean)} start in evaluation states: do not train on them.")


def describe(folder: str, audit: TaskAudit) -> str:
    """One line about a task whose demonstrations lie in `folder`."""
    closest, scale = audit.closest, audit.closest_evaluation_states
    return (
        f"{folder}/{audit.task}: {audit.demos} demonstrations; the nearest (seed {audit.seed}) is "
        f"{1000 * closest.objects:.2f} mm and {closest.arm:.4f} rad from evaluation state {closest.second}; two "
        f"evaluation states are {1000 * scale.objects:.2f} mm and {scale.arm:.4f} rad apart"
        + ("" if audit.is_clean else "  <-- THE SAME START")
    )


if __name__ == "__main__":
    run(main, default="configs/audit_demos.py")
