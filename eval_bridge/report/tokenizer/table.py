"""The main figures of an analysis as a table, for a document and for a terminal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from eval_bridge.report.markdown import link_to, markdown_table

Record = dict[str, Any]

MISSING = "-"


def document_table(results: Record, source: Path, document: Path) -> str:
    """A row a tokenizer, means over the seeds, and a line with where they come from.

    Args:
        results: what `launch.analyze_tokenizer` writes.
        source: the file that holds them.
        document: where the table goes.
    """
    columns: list[tuple[str, Callable[[Record], str]]] = [
        ("error, 8 layers", lambda v: f"{v['token_mse_by_layer'][-1]:.1e}"),
        ("by layer", _by_layer),
        ("executed", lambda v: _number(v.get("executed_token_mse"), ".1e")),
        ("forward - tokens", lambda v: _number(v.get("forward_minus_token_mse"), ".0e")),
        ("flips 1e-3 / 1e-2", lambda v: f"{v['flips']['1e-3']:.2%} / {v['flips']['1e-2']:.1%}"),
        ("tokens changed a step", lambda v: " / ".join(f"{x:.2g}" for x in v["changed_tokens_per_step"].values())),
        ("informative", lambda v: _number(v.get("informative_fraction"), ".0%")),
        ("bits a step", lambda v: f"{v['bits_per_step']:.0f}"),
        ("gripper", lambda v: f"{v['gripper_exact']:.2%}"),
        ("bound / found", lambda v: _number(v.get("bounds", {}).get("largest_ratio"), ".2f")),
        ("draft L0-L2 (majority)", lambda v: _accuracy(v, "draft_l0_l2")),
        ("main L3-L7 (majority)", lambda v: _accuracy(v, "main_l3_l7")),
        ("heads' error", lambda v: _number(v.get("head", {}).get("free_running_mse"), ".1e")),
        ("training, s", lambda v: _number(v.get("train_seconds"), ".0f")),
    ]
    header = ["tokenizer", *(name for name, _ in columns)]
    rows = [
        [f"**{name}**" if name == results["default"] else name, *(cell(figures) for _, cell in columns)]
        for name, figures in results["variants"].items()
    ]
    data, versions = results["data"], results["versions"]
    made = (
        f"{data['episodes']} episodes of {', '.join(data['suites'])} ({data['heldout_episodes']} held out, "
        f"{data['heldout_chunks']} chunks), seeds {', '.join(map(str, results['seeds']))}, {results['device']}, "
        f"jax {versions['jax']}, commit `{(results['commit'] or 'unknown')[:10]}`. "
        f"All figures: {link_to(source, document)}."
    )
    return f"{markdown_table(header, rows)}\n\n{made}"


def terminal_table(results: Record) -> str:
    """The main figures, a line a tokenizer."""
    header = f"{'':<16}{'error':>10}{'forward':>9}{'flips 1e-3':>12}{'1e-2':>8}{'bits':>7}{'draft':>8}{'main':>8}"
    lines = [header]
    for name, figures in results["variants"].items():
        head = figures.get("head", {})
        marked = f"{name} *" if name == results["default"] else name
        lines.append(
            f"{marked:<16}{figures['token_mse_by_layer'][-1]:>10.2e}"
            f"{figures.get('forward_minus_token_mse', float('nan')):>9.1e}"
            f"{figures['flips']['1e-3']:>12.2%}{figures['flips']['1e-2']:>8.1%}{figures['bits_per_step']:>7.1f}"
            f"{_percent(head.get('draft_l0_l2'))}{_percent(head.get('main_l3_l7'))}"
        )
    return "\n".join(lines)


def _by_layer(figures: Record) -> str:
    return " ".join(f"{error:.0e}".replace("e-0", "e-") for error in figures["token_mse_by_layer"])


def _number(value: float | None, form: str) -> str:
    return MISSING if value is None else format(value, form)


def _accuracy(figures: Record, name: str) -> str:
    head = figures.get("head", {})
    accuracy, majority = head.get(name), head.get(f"{name}_majority")
    return MISSING if accuracy is None else f"{accuracy:.1%} ({majority:.0%})"


def _percent(value: float | None) -> str:
    return f"{'-':>8}" if value is None else f"{value:>8.1%}"
