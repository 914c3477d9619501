"""What preflight runs, in which order, and how fast it compiles."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any

from eval_bridge.preflight.check_table import CHECKS_MODULE, Check

WORKERS = 2


def checks_to_run(stages: Mapping[str, Mapping[str, Any]], with_libero: bool = False) -> list[Check]:
    """The rows of preflight's table, each behind those whose output it reads.

    Args:
        stages: values of each training stage's configuration in miniature, by stage.
        with_libero: also an episode in the real simulator, and its self-check.
    """

    def trains(stage: str, *needs: Check) -> Check:
        name = f"{stage} trains, is saved and loaded"
        return Check(name, "check_training", (stage, stages[stage]), tuple(check.name for check in needs))

    demonstrations = Check("demonstrations are stored and replayed exactly", "check_demonstrations")
    rfsq = trains("rfsq", demonstrations)
    policy = trains("policy", rfsq)
    main_head, draft = (trains(stage, policy) for stage in ("main_head", "draft"))
    draft_policy = trains("draft_policy", policy)
    confidence, early_exit = trains("confidence", draft_policy), trains("early_exit", policy)
    heads = (main_head.name, draft.name)
    checks = [
        demonstrations,
        rfsq,
        Check("tokens alone decode, exactly as in training", "check_tokens", needs=(rfsq.name,)),
        policy,
        main_head,
        draft,
        draft_policy,
        confidence,
        early_exit,
        Check("speculative decoding equals autoregressive decoding", "check_decoders", needs=heads),
        Check("the policy acts in the point-mass simulator", "check_episode", needs=heads),
    ]
    if with_libero:
        checks += [
            Check("LIBERO's self-check", "check_libero_itself"),
            Check("the policy acts in LIBERO", "check_libero_episode", needs=heads),
        ]
    return checks


def import_checks() -> None:
    """Imports in a worker what takes long."""
    import_module(CHECKS_MODULE)


def quick_compilation() -> str:
    """XLA's flags for preflight, nearly all of whose time is compilation of programs that run for milliseconds."""
    flags = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    # LLVM's fast selection of instructions gives up on some blocks, and only these get multiply and add in one: the
    # same function, fused with this or that, would then differ in the last bit.
    flags += " --xla_backend_extra_options=-fast-isel=false"
    # XLA ends the process at a flag that it does not know, as later versions may not know these. Programs this
    # small compile a quarter faster in one piece.
    known = " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    return flags + known if version("jaxlib").startswith("0.10.") else flags
