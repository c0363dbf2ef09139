"""How long it takes to choose what is said of a film: `python benchmarks/schedule.py [--picture FILE]`.

A film of two hours with 1,500 places of 8 candidates each, once with dialogue in a third of it and once without any, on
one core; the aim is less than a second. With `--picture`, one silence is drawn before and after (needs matplotlib).
"""

from __future__ import annotations

import argparse
import random
import time
from itertools import pairwise
from pathlib import Path

from calvin.core.time import Span
from calvin.media.schedule.film_schedule import schedule_film
from calvin.media.schedule.items import Candidate, Item, ScheduleSettings, window_of

HOURS_MS = 2 * 3_600_000
PLACES, CANDIDATES = 1500, 8
WORDS = [f"w{n}" for n in range(400)]


def made_up(seed: int) -> tuple[list[Item], list[Span]]:
    """A film of shots of about 5 s, and its silences of 2 to 30 s between talk of 1 to 12 s."""
    rng, settings = random.Random(seed), ScheduleSettings()
    at, gaps = 0, list[Span]()
    while at < HOURS_MS:
        gaps.append(Span(at, min(HOURS_MS, at + rng.randint(2000, 30_000))))
        at = gaps[-1].end_ms + rng.randint(800, 12_000)
    cuts = [0, *sorted(rng.sample(range(1, HOURS_MS), PLACES - 1)), HOURS_MS]
    items = []
    for number in range(PLACES):
        shot = Span(cuts[number], cuts[number + 1])
        words = tuple(
            Candidate(" ".join(rng.choices(WORDS, k=10)), rng.randint(1200, 6000), -rng.random())
            for _ in range(CANDIDATES)
        )
        items.append(Item(str(number), words, shot, shot.middle_ms, window_of(shot, shot, settings)))
    return items, gaps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    if options.picture:
        draw(options.picture)
        return
    items, gaps = made_up(1)
    for name, silences in (("with dialogue", gaps), ("without", [Span(0, HOURS_MS)])):
        best = min(timed(items, silences) for _ in range(3))
        said = len(schedule_film(items, silences).said)
        print(f"2 h, {PLACES} places of {CANDIDATES}, {name}: {best:.2f} s of one core, {said} said")


def timed(items: list[Item], silences: list[Span]) -> float:
    started = time.process_time()
    schedule_film(items, silences)
    return time.process_time() - started


TALK = (Span(0, 4700), Span(26_500, 30_000))
SHOTS = (4700, 9300, 13_400, 17_000, 20_600, 26_500)
SPOKEN = ((5200, 4500), (4500, 3600), (4200, 3900), (4000, 3700), (3700, 3000))
"""Milliseconds that the best and the second candidate take, for each shot."""


def one_silence() -> tuple[list[Item], list[Span]]:
    settings = ScheduleSettings()
    items = []
    for number, lengths in enumerate(SPOKEN):
        shot = Span(SHOTS[number], SHOTS[number + 1])
        words = tuple(Candidate(f"{number} {n}", ms, -0.1 * n) for n, ms in enumerate(lengths))
        items.append(Item(str(number), words, shot, shot.middle_ms, window_of(shot, shot, settings)))
    return items, [Span(TALK[0].end_ms + 300, TALK[1].start_ms - 300)]


def cue_by_cue(items: list[Item], silence: Span) -> list[tuple[Item, Span | None]]:
    """Each in its turn: the first candidate that ends before the next one's shot begins."""
    found = list[tuple[Item, Span | None]]()
    for item, following in zip(items, [*items[1:], None], strict=True):
        start = max(silence.start_ms, item.shot.start_ms)
        end = silence.end_ms if following is None else following.shot.start_ms
        length = next((c.spoken_ms for c in item.candidates if start + c.spoken_ms <= end), None)
        found.append((item, None if length is None else Span(start, start + length)))
    return found


def draw(path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    items, [silence] = one_silence()
    after = schedule_film(items, [silence])
    rows = (
        ("each cue before\nthe next one's shot", cue_by_cue(items, silence)),
        ("the silence\nas a whole", [(one.item, None if one.left else one.span) for one in after.placed]),
    )
    figure, axes = plt.subplots(figsize=(9, 2.9), layout="constrained")
    for place, (_, cues) in enumerate(rows):
        y = 1 - place
        for number, (item, span) in enumerate(cues, 1):
            if span is None:
                axes.plot(item.shot.middle_ms / 1000, y, "x", color="#b3261e", markersize=9, markeredgewidth=2)
                axes.text(item.shot.middle_ms / 1000, y - 0.33, f"{number} left out", ha="center", color="#b3261e")
                continue
            which = "" if span.duration_ms == item.candidates[0].spoken_ms else "*"
            box = (span.start_ms / 1000, span.duration_ms / 1000)
            axes.broken_barh([box], (y - 0.2, 0.4), facecolor="#2f6f9f", edgecolor="white")
            axes.text(sum(box) - box[1] / 2, y, f"{number}{which}", ha="center", va="center", color="white")
        said = sum(span is not None for _, span in cues)
        axes.text(30.3, y, f"{said} of {len(cues)} said", va="center")
    for talk in TALK:
        axes.axvspan(talk.start_ms / 1000, talk.end_ms / 1000, color="#d9d9d9", lw=0)
        axes.text((talk.start_ms + talk.end_ms) / 2000, 1.62, "dialogue", ha="center", va="center")
    for number, (start, end) in enumerate(pairwise(SHOTS), 1):
        axes.axvline(start / 1000, color="#999999", lw=0.8, ls=":")
        axes.text((start + end) / 2000, 1.62, f"shot {number}", ha="center", va="center", color="#555555")
    axes.axvline(SHOTS[-1] / 1000, color="#999999", lw=0.8, ls=":")
    axes.set(yticks=[1, 0], yticklabels=[name for name, _ in rows], xlim=(0, 30), ylim=(-0.6, 1.8))
    axes.set_xlabel("seconds of the film; * another candidate than the best")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
