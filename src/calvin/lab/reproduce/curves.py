"""Pictures of a table or figure in the paper's axes, as PNG and SVG. Lines differ by dash and marker too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calvin.core.errors import MissingExtraError
from calvin.core.files import atomic_path
from calvin.lab.figures import import_pyplot
from calvin.lab.reproduce.findings import Findings, ScoredRow
from calvin.lab.reproduce.orderings import BERT, CIDER

_NAMES = {"scenes": "previous scenes in the context", "frames": "frames per scene", "temperature": "temperature",
          "iterations": "micro-batches of tuning", "samples": "annotated scenes"}  # fmt: skip
_LOOKS: Mapping[str, dict[str, Any]] = {
    CIDER: {"color": "#1f4e79", "linestyle": "-", "marker": "o"},
    BERT: {"color": "#b3541e", "linestyle": "--", "marker": "s"},
}


def draw(findings: Findings, folder: Path) -> str:
    """Draw what has been run into `NAME.png` and `NAME.svg`; returns the PNG's name, or nothing where there is nothing
    to draw or matplotlib is not installed."""
    if not any(row.mean(CIDER) is not None for row in findings.rows):
        return ""
    try:
        pyplot = import_pyplot()
    except MissingExtraError:
        return ""
    figure = _curves(pyplot, findings) if findings.axis else _rows(pyplot, findings)
    figure.suptitle(findings.title, fontsize=10, wrap=True)
    for suffix in ("svg", "png"):
        with atomic_path(folder / f"{findings.target}.{suffix}") as path:
            # Without a date, the same scores give the same file.
            figure.savefig(path, dpi=130, metadata={"Date": None} if suffix == "svg" else None)
    pyplot.close(figure)
    return f"{findings.target}.png"


def _curves(pyplot: Any, findings: Findings) -> Any:
    """A panel for each curve: CIDEr on the left axis, BERTScore, where there is any, on the right."""
    by_key = {row.paper.key: row for row in findings.rows}
    across = len(findings.axis)
    figure, axes = pyplot.subplots(1, across, figsize=(4.4 * across, 3.6), squeeze=False, layout="constrained")
    for axis, (name, points) in zip(axes.flat, findings.axis.items(), strict=True):
        rows = [(x, by_key[key]) for key, x in sorted(points.items(), key=lambda item: item[1]) if key in by_key]
        lines = _line(axis, CIDER, rows)
        axis.set(xlabel=_NAMES.get(name, name), ylabel=CIDER)
        axis.grid(alpha=0.25)
        if any(row.mean(BERT) is not None for _, row in rows):
            right = axis.twinx()
            right.set_ylabel(BERT)
            lines += _line(right, BERT, rows)
        axis.legend(handles=lines, fontsize=8)
    return figure


def _line(axis: Any, measure: str, rows: list[tuple[float, ScoredRow]]) -> list[Any]:
    found = [(x, value, row.interval(measure)) for x, row in rows if (value := row.mean(measure)) is not None]
    xs, values = [x for x, _, _ in found], [value for _, value, _ in found]
    looks = _LOOKS[measure]
    if measure == CIDER and all(spread is not None for _, _, spread in found):
        low, high = ([spread[end] for _, _, spread in found if spread] for end in (0, 1))
        axis.fill_between(xs, low, high, color=looks["color"], alpha=0.12, linewidth=0)
    return list(axis.plot(xs, values, label=measure, **looks))


def _rows(pyplot: Any, findings: Findings) -> Any:
    """A line for each row: ours with its interval on the left, the paper's beside it."""
    labels = [f"{row.paper.group}: {row.paper.label}" if row.paper.group else row.paper.label for row in findings.rows]
    places = range(len(labels))
    figure, (ours, paper) = pyplot.subplots(
        1, 2, figsize=(10, 1.2 + 0.3 * len(labels)), sharey=True, layout="constrained"
    )
    for place, row in zip(places, findings.rows, strict=True):
        value, spread = row.mean(CIDER), row.interval(CIDER)
        if value is not None:
            ours.plot(value, place, **{**_LOOKS[CIDER], "linestyle": "none"})
            if spread is not None:
                ours.plot(spread, (place, place), color=_LOOKS[CIDER]["color"], linewidth=1.2)
        if CIDER in row.paper.values:
            paper.plot(row.paper.values[CIDER], place, **{**_LOOKS[BERT], "linestyle": "none"})
    ours.set_yticks(list(places), labels, fontsize=8)
    ours.invert_yaxis()
    ours.set(xlabel=f"{CIDER} here, 95% over films")
    paper.set(xlabel="CIDEr in the paper")
    for axis in (ours, paper):
        axis.grid(alpha=0.25)
    return figure
