"""Figures of a comparison, as PNG and SVG, for a paper or a report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ridgeway.baselines.method import NotInstalled
from ridgeway.cli.comparison_run import POOLED, VOTES, Compared
from ridgeway.evaluation import Evaluation, bootstrap_interval

# Okabe and Ito 2008: told apart with any colour vision.
_OURS, _OTHERS, _LINE = "#0072b2", "#999999", "#d55e00"
_STYLE = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "savefig.bbox": "tight",
    "savefig.dpi": 200,
    "svg.hashsalt": "ridgeway",
}


def _pyplot() -> Any:
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise NotInstalled("matplotlib is not installed; pip install 'ridgeway[plot]'") from error
    mpl.use("Agg")
    from matplotlib import pyplot

    return pyplot


def plot(folder: Path, results: Sequence[Compared], by_top_k: Sequence[tuple[int, float]]) -> list[Path]:
    """Write every figure into a folder, which is made; the files.

    Raises:
        NotInstalled: matplotlib is missing.
    """
    pyplot = _pyplot()
    folder.mkdir(parents=True, exist_ok=True)
    done = {result.name: result.evaluation for result in results if result.evaluation is not None}
    with pyplot.rc_context(_STYLE):
        figures = {
            "comparison": _comparison(pyplot, done),
            "accuracy-by-top-k": _by_top_k(pyplot, by_top_k, done),
            "confusion": _confusion(pyplot, done[POOLED]),
        }
        files = [folder / f"{name}.{suffix}" for name in figures for suffix in ("png", "svg")]
        for file in files:
            figures[file.stem].savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
        for figure in figures.values():
            pyplot.close(figure)
    return files


def _comparison(pyplot: Any, done: dict[str, Evaluation]) -> Any:
    ordered = sorted(done.items(), key=lambda pair: pair[1].balanced_accuracy)
    figure, axes = pyplot.subplots(figsize=(6.3, 0.36 * len(ordered) + 0.9))
    for place, (name, outcome) in enumerate(ordered):
        accuracy = 100 * outcome.balanced_accuracy
        low, high = (100 * end for end in bootstrap_interval(outcome))
        colour = _OURS if name.startswith("Ridgeway") else _OTHERS
        axes.barh(place, accuracy, color=colour, height=0.7)
        axes.errorbar(accuracy, place, xerr=[[max(accuracy - low, 0)], [max(high - accuracy, 0)]], color="black", lw=1)
        axes.text(max(high, accuracy) + 1, place, f"{accuracy:.1f}", va="center")
    axes.set_yticks(range(len(ordered)), [name for name, _ in ordered])
    axes.set_xlim(0, 108)
    axes.set_xlabel("balanced accuracy, %, with 95 % bootstrap interval")
    return figure


def _by_top_k(pyplot: Any, by_top_k: Sequence[tuple[int, float]], done: dict[str, Evaluation]) -> Any:
    figure, axes = pyplot.subplots(figsize=(4.2, 2.9))
    numbers, accuracies = zip(*by_top_k, strict=True)
    axes.plot(numbers, [100 * accuracy for accuracy in accuracies], marker="o", color=_OURS, label=VOTES)
    axes.axhline(100 * done[POOLED].balanced_accuracy, color=_LINE, ls="--", label=POOLED)
    axes.set_xscale("log")
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.minorticks_off()
    axes.set_xlabel("voting tokens (top_k)")
    axes.set_ylabel("balanced accuracy, %")
    axes.legend(frameon=False)
    return figure


def _confusion(pyplot: Any, outcome: Evaluation) -> Any:
    counts = outcome.confusion.astype(float)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [*outcome.domains, "not routed"]
    figure, axes = pyplot.subplots(figsize=(0.55 * len(names) + 1.6, 0.5 * len(outcome.domains) + 1.4))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for (row, column), share in np.ndenumerate(shares):
        if share > 0:
            colour = "white" if share > 50 else "black"
            axes.text(column, row, f"{share:.1f}", ha="center", va="center", color=colour, fontsize=7)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(outcome.domains)), outcome.domains)
    axes.set_xlabel("chosen")
    axes.set_ylabel("true domain")
    figure.colorbar(image, ax=axes, label="% of the domain's prompts", shrink=0.8)
    return figure
