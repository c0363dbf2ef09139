"""The log of a run: one JSON line every few steps, and the loss curve as a picture."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from calvin.core.errors import MissingExtraError
from calvin.core.files import write_text
from calvin.training.loop.events import TRAINING, Events

HELD_OUT = "heldout.jsonl"
"""Beside `log.jsonl`: the loss on held-out samples after so many steps, where a run looks at it."""
_ACROSS = 3  # curves in a row: more cannot be read on a page


class TrainingLog:
    """`log.jsonl` of a run; on resuming, lines at or past the resumed step are cut off, so that none is there twice.

    With `events`, TensorBoard is told the same.
    """

    def __init__(self, folder: Path, resumed_step: int = 0, events: bool = False) -> None:
        self.path = folder / "log.jsonl"
        self.events = Events(folder, TRAINING, resumed_step) if events else None
        folder.mkdir(parents=True, exist_ok=True)
        rows = [row for row in read_log(self.path) if row["step"] < resumed_step]
        write_text(self.path, "".join(json.dumps(row) + "\n" for row in rows))

    def add(self, step: int, **row: float) -> None:
        with self.path.open("a") as stream:
            stream.write(json.dumps({"step": step, **row}) + "\n")
        if self.events is not None:
            self.events.add(step, **row)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Rows of a `log.jsonl`; a last line cut short by a kill is left out."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def write_csv(folder: Path) -> None:
    """`log.csv` of a run, for a spreadsheet: step, loss, lr and, where there was a look, heldout_loss."""
    rows: dict[int, dict[str, Any]] = {row["step"]: dict(row) for row in read_log(folder / "log.jsonl")}
    for row in read_log(folder / HELD_OUT):
        rows.setdefault(row["step"], {"step": row["step"]})["heldout_loss"] = row["loss"]
    text = io.StringIO()
    writer = csv.DictWriter(text, ["step", "loss", "lr", "heldout_loss"], extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[step] for step in sorted(rows))
    write_text(folder / "log.csv", text.getvalue())


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError("A curve of the loss", "train", "matplotlib is not installed") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


@cache
def _say_once(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def draw_curve(logs: Sequence[tuple[str, Path]], picture: Path) -> None:
    """Draw the loss of one or several logs, smoothed over the faint raw line, into a PNG.

    Without matplotlib nothing is drawn, which is said once: a run of days does not end for want of a picture.
    """
    try:
        pyplot = _pyplot()
    except MissingExtraError as error:
        _say_once(f"Note: no {picture.name} is drawn. {error}")
        return
    across = min(len(logs), _ACROSS)
    down = -(-len(logs) // across)
    figure, axes = pyplot.subplots(down, across, figsize=(5 * across, 3.4 * down), squeeze=False, layout="constrained")
    for axis in axes.flat[len(logs) :]:
        axis.remove()
    for axis, (title, path) in zip(axes.flat, logs, strict=False):
        rows = read_log(path)
        steps, losses = [row["step"] for row in rows], [row["loss"] for row in rows]
        smooth = list(accumulate(losses, lambda mean, loss: 0.9 * mean + 0.1 * loss))
        axis.plot(steps, losses, color="#9bb7d4", linewidth=0.8)
        axis.plot(steps, smooth, color="#1f4e79", linewidth=1.8, label="training")
        looks = read_log(path.with_name(HELD_OUT))
        if looks:
            held_out = [row["step"] for row in looks], [row["loss"] for row in looks]
            axis.plot(*held_out, color="#b3541e", linewidth=1.4, linestyle="--", marker="o", label="held out")
            axis.legend()
        axis.set(title=title, xlabel="step (micro-batches)", ylabel="loss")
        axis.grid(alpha=0.25)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
