"""How close demonstrations come to what policies are evaluated on.

    python -m launch.audit_demos --config.run_dir=runs/NAME

Nothing that trains or collects may see the evaluation states of a task. This command compares the starts of all
demonstrations of a run with them, after the fact: it prints the nearest pair of every task and writes it to
``RUN_DIR/demos/SUITE/audit.json``, with the digest of the file. Beside it stands the nearest pair among the evaluation
states themselves: independent draws of one distribution come about as close to each other.

Then the distances to LIBERO-PRO's variants: for each of them the demonstration that comes nearest to the layout of any
of its states, by the thing that is farthest from its place there, of those that a goal names; and the words of the
instructions that variants have too. Demonstrations of a task's own reset lie among the states of ``_lan``, ``_object``
and ``_task``, which lay the task out alike: that is told, not refused. Where demonstrations have looks of their own
these are shown in the scene again, and the mean colours of what they recolour are compared with those that ``_object``
has in its place. It fails if a demonstration starts in an evaluation state, if one of a random layout lies within the
rule of `eval_bridge.simulators.libero.withheld`, a colour or a size within those of `withheld_looks`, if a stand-in
looks like a variant's, and if one has an instruction of a variant.
"""

from collections.abc import Mapping
from pathlib import Path

from ml_collections import ConfigDict

from eval_bridge.collection.audit import TaskAudit, WordAudit, audit_suite, write
from eval_bridge.collection.layout_audit import LayoutAudit, NearestDemo
from eval_bridge.collection.looks_audit import LooksAudit
from eval_bridge.simulators.libero.scene_changes import SceneChanges
from eval_bridge.simulators.libero.suites import get_suite, suite_names
from eval_bridge.simulators.libero.withheld import NEAR
from eval_bridge.simulators.libero.withheld_looks import NEAR_COLOUR
from launch.config_flags import run
from rsd_jax.run_folder import AUDIT_NAME, DEMOS_FOLDER, corrections_folder, suite_demo_paths


def main(config: ConfigDict) -> None:
    """Audits the suites that `config` names.

    Raises:
        ValueError: there is no such suite, a file is damaged or does not tell its starts, or demonstrations must not
            be trained on; the message says which, and why.
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
        unclean += [f"{kind}/{audit.task} {' and '.join(audit.refusals)}" for audit in audits if not audit.is_clean]
    if unclean:
        raise ValueError(f"demonstrations of {'; of '.join(unclean)}: do not train on them.")


def describe(folder: str, audit: TaskAudit) -> str:
    """Some lines about a task whose demonstrations lie in `folder`."""
    closest, scale = audit.closest, audit.closest_evaluation_states
    lines = [
        f"{folder}/{audit.task}: {audit.demos} demonstrations; the nearest (seed {audit.seed}) is "
        f"{1000 * closest.objects:.2f} mm and {closest.arm:.4f} rad from evaluation state {closest.second}; two "
        f"evaluation states are {1000 * scale.objects:.2f} mm and {scale.arm:.4f} rad apart"
        + ("" if audit.is_apart else "  <-- THE SAME START")
    ]
    if audit.layouts is not None and audit.words is not None and audit.looks is not None:
        lines += _describe_layouts(audit.task, audit.layouts) + _describe_words(audit.words)
        lines += _describe_looks(audit.looks)
    lines += _describe_changes(audit.changes)
    return "\n".join(lines)


def _describe_changes(changes: SceneChanges) -> list[str]:
    stand_ins = ", ".join(f"{other} for {kind}" for kind, other in changes.stand_ins.items())
    sizes = ", ".join(f"{kind} {size:g}" for kind, size in changes.sizes.items())
    told = (
        ("things of other scenes", ", ".join(changes.strangers)),
        ("others of the same kind", stand_ins),
        ("things of other sizes than LIBERO's, so many times as large", sizes),
    )
    lines = [f"  {what}: {which}" for what, which in told if which]
    return lines + [f"  <-- WITHHELD: {why}" for why in changes.withheld]


def _describe_layouts(task: str, layouts: LayoutAudit) -> list[str]:
    kinds = (
        (layouts.num_own, "of the task's own reset (which variants share: not refused)", layouts.own),
        (layouts.num_random, f"of random layouts (refused up to {1000 * NEAR:g} mm)", layouts.random),
    )
    lines = [
        f"  {count} {kind} from layouts of variants: {_nearest(task, found)}" for count, kind, found in kinds if found
    ]
    if layouts.withheld:
        lines.append(f"  <-- {len(layouts.withheld)} RANDOM LAYOUTS ARE WITHHELD")
    if layouts.untold:
        lines.append(f"  {len(layouts.untold)} do not tell where everything is that goals name: not compared")
    return lines or ["  no variant has this scene"]


def _nearest(task: str, found: Mapping[str, NearestDemo]) -> str:
    return ", ".join(
        f"{variant.rpartition('_')[2]} {1000 * near.layout.distance:.1f} mm (seed {near.seed}, state "
        f"{near.layout.state}{'' if near.layout.task == task else f' of {near.layout.task}'})"
        for variant, near in found.items()
    )


def _describe_words(words: WordAudit) -> list[str]:
    lines = [f"  words that variants have too, not refused: {', '.join(words.shared) or 'none'}"]
    if words.withheld:
        lines.append(f"  <-- INSTRUCTIONS OF VARIANTS: {'; '.join(words.withheld)}")
    return lines


def _describe_looks(looks: LooksAudit) -> list[str]:
    if not looks.num_demos:
        return []
    nearest = ", ".join(
        f"{variant} {near.distance:.1f} (seed {near.seed})" for variant, near in sorted(looks.nearest.items())
    )
    lines = [
        f"  {looks.num_demos} with looks of their own, things recoloured from those of variants (CIE76, refused below "
        f"{NEAR_COLOUR:g}): {nearest or 'none has a variant'}"
    ]
    if looks.withheld:
        lines.append(f"  <-- {len(looks.withheld)} HAVE COLOURS THAT ARE WITHHELD")
    return lines


if __name__ == "__main__":
    run(main, default="configs/audit_demos.py")
