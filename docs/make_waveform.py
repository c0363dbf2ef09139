"""Draw how a film is turned down under a description: its own sound above, the described sound below.

python docs/make_waveform.py demo-output --output docs/images/ducking.png [--seconds 14]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from calvin.core.files import atomic_path
from calvin.media import probe
from calvin.media.decode import choose_audio
from calvin.media.programme import programme_blocks
from calvin.studio.store import ProjectStore
from calvin.studio.voice import SpokenCue, spoken_cues

RATE = 16_000


def best_start_ms(cues: Sequence[SpokenCue], duration_ms: int, window_ms: int) -> int:
    """A stretch that shows at least one cue whole, with the film before and after it, and as many cues as can be."""
    starts = [max(0, min(one.cue.span.start_ms - 1500, duration_ms - window_ms)) for one in cues]
    return max(starts, key=lambda start: sum(start < c.cue.span.start_ms < start + window_ms - 2500 for c in cues))


def sound_between(path: Path, track: int, start_ms: int, window_ms: int) -> np.ndarray:
    blocks, at = [], 0
    first, last = start_ms * RATE // 1000, (start_ms + window_ms) * RATE // 1000
    for block in programme_blocks(path, track, "mono", start_ms + window_ms, RATE):
        blocks.append(block[max(0, first - at) : max(0, last - at), 0])
        at += len(block)
        if at >= last:
            break
    return np.concatenate(blocks)


def draw(
    before: np.ndarray, after: np.ndarray, cues: Sequence[SpokenCue], lines: Sequence[tuple[int, int]], start_ms: int
) -> plt.Figure:
    figure, axes = plt.subplots(2, 1, figsize=(11, 4.6), sharex=True, sharey=True, layout="constrained")
    clock = start_ms / 1000 + np.arange(len(before)) / RATE
    for axis, sound, title in zip(axes, (before, after), ("the film", "the film with description"), strict=True):
        bins = np.linspace(0, len(sound), 1800).astype(int)
        low = [sound[a:b].min(initial=0) for a, b in pairwise(bins)]
        high = [sound[a:b].max(initial=0) for a, b in pairwise(bins)]
        axis.fill_between(clock[bins[:-1]], low, high, color="#33507a", linewidth=0)
        axis.set_title(title, loc="left", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    for begin, end in lines:
        axes[0].axvspan(begin / 1000, end / 1000, color="#d9d9d9", alpha=0.7, zorder=0)
    for one in cues:
        begin = one.cue.span.start_ms / 1000
        axes[1].axvspan(begin, begin + one.duration_ms / 1000, color="#f6d55c", alpha=0.5, zorder=0)
        axes[1].text(begin, axes[1].get_ylim()[1] * 0.82, f" {one.cue.text}", fontsize=8, clip_on=True)
    axes[1].set_xlim(clock[0], clock[-1])
    axes[1].set_xlabel("seconds (grey: dialogue; yellow: description)")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path, help="project folder that calvin demo left, with the mixed film in it")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=14)
    options = parser.parse_args(arguments)
    mixes = sorted(options.project.glob("*.ad.mkv"))
    with ProjectStore(options.project) as store:
        film, cues, lines = store.film, spoken_cues(store)[0], store.dialogue
    if not mixes or film is None or not cues:
        raise SystemExit(f"{options.project} holds no mixed film: run `calvin demo` with the extra `voice` installed.")
    window_ms = round(options.seconds * 1000)
    start_ms = best_start_ms(cues, film.duration_ms, window_ms)
    own = choose_audio(probe(film.path, fingerprint=False).audio_streams)
    described = probe(mixes[0], fingerprint=False).audio_streams[1]
    if own is None:
        raise SystemExit(f"{film.path} has no sound to draw.")
    before = sound_between(Path(film.path), own.index, start_ms, window_ms)
    after = sound_between(mixes[0], described.index, start_ms, window_ms)
    spans = [(line.span.start_ms, line.span.end_ms) for line in lines]
    shown = [c for c in cues if start_ms <= c.cue.span.start_ms < start_ms + window_ms]
    figure = draw(before, after, shown, spans, start_ms)
    with atomic_path(options.output) as temporary:
        figure.savefig(temporary, dpi=90)
    plt.close(figure)
    print(options.output)


if __name__ == "__main__":
    main()
