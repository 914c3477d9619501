"""The plots of the tokenizer analysis."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from eval_bridge.report.tokenizer.axes import (
    DIMENSIONS,
    NAMES_MARGINS,
    Record,
    Rows,
    Series,
    all_series,
    colour,
    curve,
    layer_ticks,
    log_axis,
    name_ticks,
    percent_axis,
    to_svg,
)

NOISES = ("1e-3", "1e-2")
_PARTS = (("translation", 0, 3, "o", "-"), ("rotation", 3, 6, "s", "--"), ("gripper", 6, 7, "^", ":"))


def draw_plots(results: Record) -> dict[str, str]:
    """SVG of each plot by its name; "" for what was not measured."""
    every = all_series(results)
    layered = [series for series in every if series.is_layered]
    plots = {
        "error": to_svg("error", "mean squared error (half ranges²)", partial(_error, every)),
        "rate": to_svg("rate", "mean squared error (half ranges²)", partial(_rate, every)),
        "usage": _by_layer("usage", "share of the possible levels", layered, "usage_by_layer", is_share=True),
        "perplexity": _by_layer("perplexity", "perplexity (levels)", layered, "perplexity_by_layer"),
        "scale": _by_layer(
            "scale", "rms of the residual (latent units)", layered, "residual_scale_by_layer", log=True
        ),
        "flips": to_svg("flips", "tokenizer", partial(_mean_flips, every), margins=NAMES_MARGINS),
        "draft": to_svg("draft", "tokenizer", partial(_accuracy, layered, "draft_l0_l2"), margins=NAMES_MARGINS),
        "main": to_svg("main", "tokenizer", partial(_accuracy, layered, "main_l3_l7"), margins=NAMES_MARGINS),
        "worst": to_svg("worst", "largest error (action units)", partial(_worst, every)),
        "bounds": to_svg(
            "bounds",
            "change of the action (action units)",
            partial(_bounds, [series for series in every if series.is_default]),
        ),
    }
    for noise in NOISES:
        label = f"tokens that change, noise {noise}"
        plots[f"flips_{noise}"] = _by_layer(f"flips_{noise}", label, layered, f"flips_by_layer.{noise}", log=True)
    return plots


def accuracy_plots(results: Record) -> dict[str, str]:
    """For each tokenizer with layers, how well heads name its digits, layer by layer."""
    chosen = [series for series in all_series(results) if series.is_layered]
    return {
        series.name: to_svg(
            f"layers_{series.name}",
            "digits named correctly",
            partial(_one_accuracy, series),
            (350, 220),
            (60, 30, 10, 34),
        )
        for series in sorted(chosen, key=lambda series: not series.is_default)
    }


def legend(series: Series) -> str:
    """The line and marker of a tokenizer."""

    def draw(axes: Axes) -> bool:
        axes.set_axis_off()
        axes.set(xlim=(0, 2), ylim=(-1, 1))
        axes.plot(
            [0.2, 1, 1.8], [0, 0, 0], linestyle="-" if series.is_layered else "--", markevery=[1], **series.style
        )
        return True

    return to_svg(f"legend {series.name}", "", draw, (40, 16), (0, 0, 0, 0))


def cumulative_bits(record: Record) -> Rows | None:
    """Bits per action step of the first 1 .. L layers, from ``bits_by_layer``, or where all digits are informative."""
    given, perplexity = record.get("bits_by_layer"), record.get("perplexity_by_layer")
    if given is not None:
        return np.cumsum(np.asarray(given, np.float64))
    if record.get("informative_fraction") != 1 or not perplexity or record.get("bits_per_step") is None:
        return None  # layers have unknown numbers of digits
    entropy = np.log2(np.asarray(perplexity, np.float64))
    return record["bits_per_step"] * np.cumsum(entropy) / max(entropy.sum(), 1e-12)


def _by_layer(
    name: str, label: str, layered: Sequence[Series], path: str, *, log: bool = False, is_share: bool = False
) -> str:
    def draw(axes: Axes) -> bool:
        found = _found(layered, path)
        if log:
            low = log_axis(axes, "y", [rows for _, rows in found])
            found = [(series, np.maximum(rows, low)) for series, rows in found]
        elif is_share:
            percent_axis(axes, "y")
        elif found:
            axes.set_ylim(1, 1.05 * max(rows.max() for _, rows in found))
        for series, rows in found:
            curve(axes, series, range(rows.shape[1]), rows)
        layer_ticks(axes, max((rows.shape[1] for _, rows in found), default=1))
        return bool(found)

    return to_svg(name, label, draw)


def _found(every: Sequence[Series], path: str) -> list[tuple[Series, Rows]]:
    pairs = [(series, series.rows(path)) for series in every]
    return [(series, rows) for series, rows in pairs if rows is not None]


def _error(every: Sequence[Series], axes: Axes) -> bool:
    found = _found(every, "token_mse_by_layer")
    low = log_axis(axes, "y", [rows for _, rows in found])
    depth = max((rows.shape[1] for _, rows in found), default=1)
    for series, rows in found:
        drawn = np.maximum(rows, low)
        if not series.is_layered:
            style = {**series.style, "marker": "", "linestyle": (0, (4, 3))}
            axes.plot([1, depth], np.repeat(drawn.mean(), 2), alpha=0.75, **style)
        curve(axes, series, range(1, rows.shape[1] + 1), drawn)
    axes.set(xlim=(0.7, depth + 0.3), xticks=range(1, depth + 1))
    axes.set_xlabel("layers of tokens that are decoded", labelpad=8)
    return bool(found)


def _rate(every: Sequence[Series], axes: Axes) -> bool:
    pairs = [(series, series.rows("token_mse_by_layer"), series.rows("bits_per_step")) for series in every]
    found = [(series, errors, bits) for series, errors, bits in pairs if errors is not None and bits is not None]
    low = log_axis(axes, "y", [errors for _, errors, _ in found])
    for series, errors, bits in found:
        style, last = series.style, np.maximum(errors[:, -1], low)
        paths = [cumulative_bits(record) for record in series.records]
        if series.is_layered and all(path is not None and len(path) == errors.shape[1] for path in paths):
            small = {**style, "markersize": 3.5, "linewidth": style["linewidth"] * 0.8}
            axes.plot(np.mean([path for path in paths if path is not None], axis=0), errors.mean(axis=0), **small)
        axes.plot(bits[:, 0], last, **{**style, "marker": "", "linewidth": 1})
        axes.plot(bits.mean(), last.mean(), clip_on=False, **{**style, "markersize": style["markersize"] + 2.5})
    axes.set_xlim(left=0)
    axes.set_xlabel("entropy of the tokens (bits per action step)", labelpad=8)
    return bool(found)


def _mean_flips(every: Sequence[Series], axes: Axes) -> bool:
    found = {noise: _found(every, f"flips.{noise}") for noise in NOISES}
    names = [series.name for series in every]
    low = log_axis(axes, "x", [rows for pairs in found.values() for _, rows in pairs])
    for noise, pairs in found.items():
        for series, rows in pairs:
            _dot(axes, series, np.maximum(rows[:, 0], low), names.index(series.name), is_filled=noise == "1e-3")
    name_ticks(axes, names)
    axes.set_xlabel("share of tokens", labelpad=8)
    return any(found.values())


def _dot(axes: Axes, series: Series, values: Rows, height: float, *, is_filled: bool) -> None:
    """The mean over the seeds in a row, and a line from the lowest to the highest."""
    style = series.style
    axes.plot([values.min(), values.max()], [height, height], clip_on=False, **{**style, "marker": ""})
    if not is_filled:
        style |= {"markerfacecolor": colour("card"), "markeredgecolor": style["color"], "markeredgewidth": 1.6}
    axes.plot(values.mean(), height, clip_on=False, **{**style, "markersize": 1.3 * style["markersize"]})


def _accuracy(layered: Sequence[Series], key: str, axes: Axes) -> bool:
    names = [series.name for series in layered]
    for suffix, offset in (("", -0.17), ("_demonstrations", 0.17)):
        for series, rows in _found(layered, f"head.{key}{suffix}"):
            height = names.index(series.name) + offset
            _dot(axes, series, rows[:, 0], height, is_filled=not suffix)
            majority = series.rows(f"head.{key}_majority{suffix}")
            if majority is not None:
                axes.vlines(majority.mean(), height - 0.15, height + 0.15, color=colour("ink"), linewidth=2)
    percent_axis(axes, "x")
    name_ticks(axes, names)
    axes.set_xlabel("digits named correctly", labelpad=8)
    return bool(_found(layered, f"head.{key}"))


def _one_accuracy(series: Series, axes: Axes) -> bool:
    style = {**series.style, "linewidth": 2.0, "markersize": 6.5}
    hollow = {"markerfacecolor": colour("card"), "markeredgecolor": style["color"], "markeredgewidth": 1.4}
    majority, count = series.rows("head.majority_by_layer"), 1
    if majority is not None:
        count = majority.shape[1]
        axes.bar(range(count), majority.mean(axis=0), width=0.72, color=colour("line"))
    other = series.rows("head.majority_by_layer_demonstrations")
    if other is not None:
        at = np.arange(other.shape[1])
        axes.hlines(other.mean(axis=0), at - 0.36, at + 0.36, color=colour("soft"), linestyle=(0, (2, 1.5)))
    drafts = series.rows("head.draft_by_layer")
    coarse = 0 if drafts is None else drafts.shape[1]
    is_any = False
    for suffix, changes in (("_demonstrations", {**hollow, "linewidth": 1.2, "linestyle": "--"}), ("", {})):
        for head, first, last in (("draft", 0, coarse), ("main", coarse, None)):
            rows = series.rows(f"head.{head}_by_layer{suffix}")
            if rows is not None and rows[:, first:last].size:
                rows, is_any = rows[:, first:last], True
                curve(axes, series, range(first, first + rows.shape[1]), rows, **{**style, **changes})
                count = max(count, first + rows.shape[1])
    percent_axis(axes, "y")
    layer_ticks(axes, count)
    axes.set_xlim(-0.6, count - 0.4)
    axes.set_xlabel("")
    return is_any


def _worst(every: Sequence[Series], axes: Axes) -> bool:
    found = _found(every, "worst_error_by_dimension")
    low = log_axis(axes, "y", [rows for _, rows in found])
    for index, (series, rows) in enumerate(found):
        values = np.maximum(rows, low)
        x = np.arange(rows.shape[1]) + 0.76 * ((index + 0.5) / len(found) - 0.5)
        style: dict[str, Any] = {**series.style, "linestyle": "", "markersize": 1.15 * series.style["markersize"]}
        axes.vlines(x, values.min(axis=0), values.max(axis=0), color=style["color"], linewidth=1.4)
        axes.plot(x, values.mean(axis=0), clip_on=False, **style)
    axes.set(xlim=(-0.5, len(DIMENSIONS) - 0.5), xticks=range(len(DIMENSIONS)), xticklabels=DIMENSIONS)
    axes.set_xlabel("dimension of the action", labelpad=8)
    axes.vlines(np.arange(1, len(DIMENSIONS)) - 0.5, 0, 1, color=colour("line"), transform=axes.get_xaxis_transform())
    return bool(found)


def _bounds(default: Sequence[Series], axes: Axes) -> bool:
    pairs = [(s, s.rows("bounds.bound_by_layer"), s.rows("bounds.largest_found_by_layer")) for s in default]
    found = [(series, a, b) for series, a, b in pairs if a is not None and b is not None]
    low = log_axis(axes, "y", [rows for _, *both in found for rows in both])
    for _, bound, change in found:
        for name, first, last, marker, dashes in _PARTS:
            rows = (np.maximum(values[..., first:last].max(axis=(0, 2)), low) for values in (bound, change))
            style: dict[str, Any] = {"color": colour("series-0"), "linewidth": 1.8, "markersize": 7, "clip_on": False}
            axes.plot(next(rows), linestyle=dashes, **style)
            axes.plot(next(rows), linestyle="", marker=marker, **style)
            axes.plot([], [], linestyle=dashes, marker=marker, label=name, **style)
    if found:
        count = found[0][1].shape[1]
        axes.set(xlim=(-0.25, count - 0.75), xticks=range(count))
        axes.legend(loc="upper right", frameon=False, labelcolor=colour("soft"))
    axes.set_xlabel("layers that are kept, all behind them are free", labelpad=8)
    return bool(found)
