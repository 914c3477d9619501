"""Where everything of a run lies in its folder.

```
RUN/
├── pipeline.json  logs/STAGE.log  replaced/            what it is made with; outputs that were made anew
├── slurm/                                             JOB.sbatch  JOB-NUMBER.log  jobs.json  of stages run by SLURM
├── demos/SUITE/  demos/SUITE_corrections/
│                  TASK_demo.hdf5  TASK_demo.json  collection.json  audit.json  index.html
├── rows/                                               of demonstrations, for training; may be removed at any time
├── rfsq/  policy/  draft/  main_head/                  config.json  metrics.jsonl  metrics.json  best/  latest/
├── draft_policy/  confidence/  early_exit/             likewise, of the decoders cascade and early_exit
├── openvla_finetune/                                   likewise, of OpenVLA; what it changes in policy/, or all of it
├── evaluation/  evaluation_DECODER/                    episodes.jsonl  traces/  videos/  summary.json  report.html
│   └── shards/PART_of_PARTS/                           of an evaluation on several hosts
├── delays/DECODER/EXECUTION_DELAY/                     likewise, evaluations in which time passes
├── watched/  checked/                                  development episodes, as an evaluation, and shadows/
├── calibrations/                                       RULE_alphaALPHA_epsilonEPSILON.json of cascades
│       of a run of several suites: evaluation_SUITE/  evaluation_SUITE_DECODER/  watched_SUITE/  checked_SUITE/
│       calibrations/SUITE_RULE_alphaALPHA_epsilonEPSILON.json
├── ablations/POLICY/seed_SEED/                         a run's folder again, with ablation.json, development/ and
│                                                       development_SIMULATOR/ for each further simulator
└── branches/BRANCH/seed_SEED/                          likewise, with branch.json and ARM/ for each evaluated arm
```
"""

from collections.abc import Sequence
from pathlib import Path

from rsd_jax.file_names import file_name

TRAINED_STAGES = ("rfsq", "policy", "draft", "main_head")
"""The stages that are trained, in order; each has the folder ``RUN/STAGE``."""

CASCADE_STAGES = ("draft_policy", "confidence")
"""Stages behind these that only the decoder `cascade` needs."""

EARLY_EXIT_STAGES = ("early_exit",)
"""Stages behind them that only the decoder of the same name needs."""

OPTIONAL_STAGES = (*CASCADE_STAGES, *EARLY_EXIT_STAGES)
"""All that a run trains only where a decoder asks for it."""

METRICS_NAME = "metrics.json"
"""Of a trained stage, when it is finished: evaluation of its best variables, and facts of the training."""

RUN_RECORD = "pipeline.json"
LOG_FOLDER, REPLACED_FOLDER, SLURM_FOLDER = "logs", "replaced", "slurm"

DEMOS_FOLDER, ROWS_FOLDER = "demos", "rows"

COMPLETE = "collection.json"
"""Beside the demonstrations of a suite when all that was asked for are there; whoever asks writes it."""

AUDIT_NAME = "audit.json"
"""Beside the demonstrations of a suite: how close they start to what policies are evaluated on."""

HEADLINE = "evaluation"
"""Folder of the first decoder's evaluation, the one whose report compares it with the others."""

LOG_NAME = "episodes.jsonl"
"""The log of episodes in the folder of an evaluation; beside it lie `TRACE_FOLDER` and `VIDEO_FOLDER`."""

PROFILE_NAME = "latency_profile.json"
"""Beside the log of an evaluation that measured how long its policy's calls take, to draw delays from; for others."""

SUMMARY_NAME, REPORT_NAME, COMPARISONS_NAME = "summary.json", "report.html", "comparisons.json"
TRACE_FOLDER, SHADOW_FOLDER, VIDEO_FOLDER, SHARD_FOLDER = "traces", "shadows", "videos", "shards"

CALIBRATION_FOLDER = "calibrations"

WATCHED_FOLDER, CHECKED_FOLDER = "watched", "checked"
"""Evaluations that a cascade's threshold is fitted on, and checked on."""

ABLATION_FOLDER, ABLATION_RECORD, ABLATION_EVALUATION = "ablations", "ablation.json", "development"
BRANCH_FOLDER, BRANCH_RECORD = "branches", "branch.json"

_DEMOS_ENDING = "_demo.hdf5"


def demo_path(run_dir: Path, suite: str, task: str) -> Path:
    """Where a run keeps the demonstrations of a task."""
    return demo_file(run_dir / DEMOS_FOLDER, suite, task)


def demo_file(folder: Path, suite: str, task: str) -> Path:
    """Where the demonstrations of a task lie in a folder of many; the names may be any text (`file_name`)."""
    return folder / file_name(suite) / f"{file_name(task)}{_DEMOS_ENDING}"


def corrections_folder(suite: str) -> str:
    """What the folder of demonstrations that correct a policy in `suite` is called, beside the suite's own."""
    return f"{suite}_corrections"


def summary_path(demos: Path) -> Path:
    """The summary of the collection beside a demonstration file."""
    return demos.with_suffix(".json")


def task_of(demos: Path) -> str:
    """The task whose demonstrations a file holds, by the file's name: of a suite's tasks, which keep theirs."""
    return demos.name.removesuffix(_DEMOS_ENDING)


def demo_paths(run_dir: Path) -> list[Path]:
    """The demonstration files of a run, sorted; none where there are none."""
    return sorted((run_dir / DEMOS_FOLDER).glob(f"*/*{_DEMOS_ENDING}"))


def suite_demo_paths(folder: Path) -> list[Path]:
    """The demonstration files in the folder of a suite, sorted; none where there are none."""
    return sorted(folder.glob(f"*{_DEMOS_ENDING}"))


def collection_summaries(run_dir: Path) -> list[Path]:
    """The summaries of a run's collections, sorted; also of those whose demonstrations are elsewhere."""
    return sorted((run_dir / DEMOS_FOLDER).glob("*/*_demo.json"))


def evaluation_folder(decoder: str, decoders: Sequence[str], suite: str = "") -> str:
    """Name of the folder in which a decoder's evaluation lies; the first of `decoders` is the headline.

    Args:
        decoder: one of them.
        decoders: all that are evaluated.
        suite: that is evaluated, where a run has several; empty for the run's own.
    """
    headline = of_suite(HEADLINE, suite)
    return headline if decoder == decoders[0] else f"{headline}_{decoder}"


def of_suite(name: str, suite: str) -> str:
    """What a run of several suites calls what another calls `name`; of the run's own suite, which is "", just that."""
    return f"{name}_{suite}" if suite else name


def calibration_path(run_dir: Path, rule: str, alpha: float, epsilon: float, suite: str = "") -> Path:
    """Where a run keeps the threshold of a cascade's `rule` that was fitted to the risk `alpha` of `epsilon`."""
    return calibration_file(run_dir, calibration_name(rule, alpha, epsilon, suite))


def calibration_name(rule: str, alpha: float, epsilon: float, suite: str = "") -> str:
    """What a run calls such a calibration; `suite` is the one of its episodes, where a run has several."""
    return f"{suite}_{rule}_alpha{alpha:g}_epsilon{epsilon:g}".removeprefix("_")


def calibration_file(run_dir: Path, name: str) -> Path:
    """Where a run keeps the calibration called `name`."""
    return run_dir / CALIBRATION_FOLDER / f"{name}.json"


def calibration_paths(run_dir: Path) -> list[Path]:
    """The calibrations of a run, sorted; none where there are none."""
    return sorted((run_dir / CALIBRATION_FOLDER).glob("*.json"))
