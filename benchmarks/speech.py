"""How well speech is found: mixes of known speech with music-like chords and noise at 20, 10 and 5 dB.

    python benchmarks/speech.py [--lines 24] [--voices piper,espeak,espeak:de]

Prints for each mix the share of the speech that is covered, the share of the gaps of 2 seconds and more that are found
(half of it left free or more), and how long cues planned by what was detected would talk over the known speech. The
exit code is 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from calvin.core.time import Span
from calvin.media.gaps import plan_cues
from calvin.media.sound.film_sound import SOUND_RATE, resampled, write_wav
from calvin.media.sound.speech import detect_speech
from calvin.media.voice.registry import open_voice

MIN_COVERED, MIN_GAPS = 0.95, 0.80
LEVELS_DB = (20, 10, 5)
LINES = (
    "Where have you been all night? I was worried.",
    "Nobody told me.",
    "Give me the lamp, and do not say a word about it to anyone.",
    "Yes.",
    "We should leave before the rain begins.",
    "I thought you knew him better than that. So did I.",
    "Stop!",
    "There is a letter for you on the table by the window.",
)


def spoken(voice: str, count: int, seed: int) -> tuple[np.ndarray, list[Span]]:
    """Lines of dialogue [samples] at 16 kHz, with pauses of half a second to seven seconds, and where the lines are."""
    rng = np.random.default_rng(seed)
    parts, spans, at = [], [], 0
    with open_voice(voice) as speaker:
        said = [resampled(*speaker.synthesize(line), SOUND_RATE) for line in LINES[: min(count, len(LINES))]]
    for number in range(count):
        pause = np.zeros(round(float(rng.choice([0.5, 1.0, 2.2, 3.0, 4.5, 7.0])) * SOUND_RATE), np.float32)
        line = trimmed(said[number % len(said)])
        start = at + len(pause)
        at = start + len(line)
        spans.append(Span(start * 1000 // SOUND_RATE, at * 1000 // SOUND_RATE))
        parts += [pause, line]
    return np.concatenate([*parts, np.zeros(3 * SOUND_RATE, np.float32)]), spans


def trimmed(samples: np.ndarray) -> np.ndarray:
    loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """Noise [samples] that falls with frequency, like traffic or a hall."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    return np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), count)


def music(count: int, rng: np.random.Generator) -> np.ndarray:
    """Struck chords with overtones, a bass and a beat, [samples]."""
    seconds = np.arange(count) / SOUND_RATE
    sound = np.zeros(count)
    for start in np.arange(0, count, SOUND_RATE // 2):
        piece = slice(int(start), min(int(start) + SOUND_RATE * 2, count))
        clock = seconds[piece] - seconds[piece.start]
        root = 110 * 2 ** (float(rng.choice([0, 3, 5, 7, 8, 10])) / 12)
        for step, loudness in ((0, 1.0), (4, 0.6), (7, 0.6), (12, 0.4)):
            for overtone in (1, 2, 3):
                tone = np.sin(2 * np.pi * root * 2 ** (step / 12) * overtone * clock)
                sound[piece] += loudness / overtone**1.5 * tone * np.exp(-2 * clock)
        sound[piece] += 0.8 * rng.standard_normal(len(clock)) * np.exp(-60 * clock)
    return sound


BEDS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "noise": noise,
    "music": music,
    "both": lambda count, rng: noise(count, rng) / noise(count, rng).std() + music(count, rng),
}


def mixed(speech: np.ndarray, spans: Sequence[Span], bed: np.ndarray, level_db: float) -> np.ndarray:
    """Speech over a bed that is `level_db` softer than the speech is while someone speaks."""
    active = np.concatenate([speech[s.start_ms * SOUND_RATE // 1000 : s.end_ms * SOUND_RATE // 1000] for s in spans])
    gain = np.sqrt(np.mean(active**2) / np.mean(bed**2)) * 10 ** (-level_db / 20)
    total = speech + gain * bed
    return total / np.abs(total).max() * 0.9


def covered_ms(span: Span, others: Sequence[Span]) -> int:
    return sum(span.overlap_ms(other) for other in others)


def judge(sound: np.ndarray, truth: Sequence[Span]) -> tuple[float, float, int]:
    """Share of speech covered, share of gaps found, and milliseconds of cues over speech."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mix.wav"
        write_wav(path, sound, SOUND_RATE)
        found = detect_speech(path)
    length_ms = len(sound) * 1000 // SOUND_RATE
    speech = sum(span.duration_ms for span in truth)
    edges = [0, *(edge for span in truth for edge in (span.start_ms, span.end_ms)), length_ms]
    gaps = [Span(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 2000]
    free = sum(covered_ms(gap, found) <= gap.duration_ms / 2 for gap in gaps)
    cues = plan_cues(length_ms, [Span(0, length_ms)], found)
    over = sum(covered_ms(cue.span, truth) for cue in cues)
    return sum(covered_ms(span, found) for span in truth) / speech, free / len(gaps), over


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=24)
    parser.add_argument("--voices", default="piper,espeak,espeak:de")
    options = parser.parse_args(arguments)
    missed = 0
    print(f"{'voice':<10} {'bed':<6} {'dB':>3}  covered   gaps  over speech")
    for voice in options.voices.split(","):
        speech, truth = spoken(voice, options.lines, seed=1)
        for name, make in BEDS.items():
            bed = make(len(speech), np.random.default_rng(2))
            for level in LEVELS_DB:
                covered, gaps, over = judge(mixed(speech, truth, bed, level), truth)
                low = covered < MIN_COVERED or gaps < MIN_GAPS
                missed += low
                print(f"{voice:<10} {name:<6} {level:>3}   {covered:6.1%} {gaps:6.1%}  {over:5d} ms{'  MISSED' * low}")
    print(f"bounds: {MIN_COVERED:.0%} of speech, {MIN_GAPS:.0%} of gaps")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
