"""Draw how a film is turned down under a description: its own sound, the described sound, and the levels of both.

python docs/make_waveform.py demo-output --output docs/images/ducking.png [--seconds 14]
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from calvin.core.files import atomic_path
from calvin.media.film.source import choose_audio, probe
from calvin.media.sound.film_sound import programme_blocks
from calvin.studio.project.status import spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound.placing import place_voices

RATE, LEVEL, BLUE = 16_000, 320, "#33507a"
Spoken = tuple[int, int, str]
"""When a cue is said, in ms, and its words."""


def best_start_ms(cues: Sequence[Spoken], lines: Sequence[tuple[int, int]], duration_ms: int, window_ms: int) -> int:
    """A stretch that begins a while before a cue and shows as many whole cues and lines of dialogue as possible."""
    starts = [max(0, min(begin - 1500, duration_ms - window_ms)) for begin, _, _ in cues]

    def shown(start: int) -> int:
        inside = [begin >= start and end <= start + window_ms for begin, end, *_ in (*cues, *lines)]
        return sum(inside)

    return max(starts, key=shown)


def sound_between(path: Path, track: int, start_ms: int, window_ms: int) -> np.ndarray:
    """A stretch of a track in mono, [samples] at `RATE`."""
    blocks, at = [], 0
    first, last = start_ms * RATE // 1000, (start_ms + window_ms) * RATE // 1000
    for block in programme_blocks(path, track, "mono", start_ms + window_ms, RATE):
        blocks.append(block[max(0, first - at) : max(0, last - at), 0])
        at += len(block)
        if at >= last:
            break
    return np.concatenate(blocks)


def levels_db(sound: np.ndarray) -> np.ndarray:
    """The level of each 20 ms of a sound, [n], by its root mean square."""
    pieces = sound[: len(sound) // LEVEL * LEVEL].reshape(-1, LEVEL)
    return 10 * np.log10(np.mean(pieces**2, axis=1) + 1e-9)


def draw(
    before: np.ndarray, after: np.ndarray, cues: Sequence[Spoken], lines: Sequence[tuple[int, int]], start_ms: int
) -> plt.Figure:
    """Both sounds and their levels; `before` and `after` are [samples] of the same stretch."""
    figure, axes = plt.subplots(3, 1, figsize=(11, 6.4), sharex=True, layout="constrained")
    clock = start_ms / 1000 + np.arange(len(before)) / RATE
    loudest = float(max(np.abs(before).max(), np.abs(after).max()))
    for axis, sound, title in zip(axes, (before, after), ("the film", "the film with description"), strict=False):
        bins = np.linspace(0, len(sound), 1800).astype(int)
        low = [sound[a:b].min(initial=0) for a, b in pairwise(bins)]
        high = [sound[a:b].max(initial=0) for a, b in pairwise(bins)]
        axis.fill_between(clock[bins[:-1]], low, high, color=BLUE, linewidth=0)
        axis.set(ylim=(-1.1 * loudest, 1.4 * loudest))
        axis.set_title(title, loc="left", fontsize=10)
    for sound, colour, name in ((before, "#999999", "the film"), (after, BLUE, "with description")):
        level = levels_db(sound)
        axes[2].plot(clock[::LEVEL][: len(level)], level, color=colour, linewidth=1, label=name)
    axes[2].set_title("level in dB: 8 lower under the description, and back", loc="left", fontsize=10)
    axes[2].legend(frameon=False, fontsize=8, loc="lower right")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    for begin, end in lines:
        axes[0].axvspan(begin / 1000, end / 1000, color="#d9d9d9", alpha=0.7, zorder=0)
    for begin, end, text in cues:
        for axis in axes[1:]:
            axis.axvspan(begin / 1000, end / 1000, color="#f6d55c", alpha=0.5, zorder=0)
        words = "\n".join(textwrap.wrap(text, round(26 * (end - begin) / 2500)))
        axes[1].text(begin / 1000 + 0.05, 1.3 * loudest, words, fontsize=7, clip_on=True, va="top")
    axes[2].set_xlim(clock[0], clock[-1])
    axes[2].set_xlabel("seconds (grey: dialogue; yellow: description)")
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
    spans = [(line.span.start_ms, line.span.end_ms) for line in lines]
    placed = place_voices(cues, [line.span for line in lines], film.duration_ms, extended=False)
    said = [(v.start_ms, v.end_ms, c.cue.text) for v, c in zip(placed.voices, placed.spoken, strict=True)]
    start_ms = best_start_ms(said, spans, film.duration_ms, window_ms)
    own = choose_audio(probe(film.path, fingerprint=False).audio_streams)
    described = probe(mixes[0], fingerprint=False).audio_streams[1]
    if own is None:
        raise SystemExit(f"{film.path} has no sound to draw.")
    before = sound_between(Path(film.path), own.index, start_ms, window_ms)
    after = sound_between(mixes[0], described.index, start_ms, window_ms)
    shown = [cue for cue in said if start_ms <= cue[0] < start_ms + window_ms]
    figure = draw(before, after, shown, spans, start_ms)
    with atomic_path(options.output) as temporary:
        figure.savefig(temporary, dpi=90)
    plt.close(figure)
    print(options.output)


if __name__ == "__main__":
    main()
