"""How surely subtitles out of step are recognised by listening, on made films of spoken lines and silences.

    python benchmarks/subtitle_steps.py [--minutes 5,10,30,100] [--voices espeak,piper]

The subtitles of each film (a tenth missing, up to 0.3 s late, ending up to 0.9 s late) are stretched by each factor
between common frame rates and moved by 0, 1.5, -4 and 3600 s. Prints how many of these the offered stretch and shift
bring back to within 0.7 s of the speech at both ends of the film, and how many false alarms there are: on right
subtitles, on those of half of the talk and of a tenth, on some late by up to 1.2 s, and on those of another film. The
exit code is 1 where one of these goes wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from speech import LINES, trimmed

from calvin.core.time import Span
from calvin.core.types import DialogueLine
from calvin.media.sound.alignment import STRETCHES, align, stretch_of
from calvin.media.sound.film_sound import SOUND_RATE, resampled
from calvin.media.sound.speech import speech_probabilities, speech_spans
from calvin.media.voice.registry import open_voice
from calvin.studio.describe.dialogue import step_notes

SHIFTS_S = (0, 1.5, -4, 3600)
NEAR_MS = 700


def film(said: Sequence[np.ndarray], minutes: int, share: float, seed: int) -> tuple[list[Span], list[Span]]:
    """Where lines are spoken in a film, and where speech is heard in it."""
    rng = np.random.default_rng(seed)
    sound = 0.001 * rng.standard_normal(minutes * 60 * SOUND_RATE).astype(np.float32)
    pause = float(np.mean([len(line) for line in said])) * (1 / share - 1)
    truth, at = [], int(rng.integers(1, 8) * SOUND_RATE)
    while at + len(line := said[rng.integers(len(said))]) < len(sound):
        sound[at : at + len(line)] += line
        truth.append(Span(at * 1000 // SOUND_RATE, (at + len(line)) * 1000 // SOUND_RATE))
        at += len(line) + int(rng.exponential(pause)) + SOUND_RATE // 10
    blocks = (sound[start : start + 10 * SOUND_RATE] for start in range(0, len(sound), 10 * SOUND_RATE))
    return truth, speech_spans(float(p) for array in speech_probabilities(blocks) for p in array)


def written(truth: Sequence[Span], rng: np.random.Generator, missing: float = 0.1, late_ms: int = 300) -> list[Span]:
    """Subtitles as people time them."""
    lines = []
    for span in truth:
        start = span.start_ms + int(rng.integers(-100, late_ms))
        if rng.random() >= missing:
            lines.append(Span(max(0, start), max(start + 300, span.end_ms + int(rng.integers(0, 900)))))
    return lines


def mended(lines: Sequence[Span], heard: Sequence[Span], duration_ms: int) -> list[bool]:
    """For each way to be out of step whether what is offered mends it."""
    results = []
    for stretch in ("", *STRETCHES):
        factor = float(stretch_of(stretch))
        for shift in SHIFTS_S:
            moved = [Span(round(s.start_ms / factor + shift * 1000), round(s.end_ms / factor + shift * 1000))
                     for s in lines if s.start_ms / factor + shift * 1000 >= 0]  # fmt: skip
            found = align(moved, heard, duration_ms)
            if found is None:
                results.append(False)
                continue
            offered = float(stretch_of(found.stretch))
            ends = [(t / factor + shift * 1000) * offered + found.shift_ms - t for t in (0, duration_ms)]
            results.append(max(map(abs, ends)) <= NEAR_MS)
    return results


def alarms(lines: Sequence[Span], heard: Sequence[Span], duration_ms: int) -> bool:
    """Whether another time is offered."""
    return any(
        "if that is right" in note
        for note in step_notes([DialogueLine(s, "Hi.") for s in lines], heard, duration_ms, 0)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", default="5,10,30,100")
    parser.add_argument("--voices", default="espeak,piper")
    options = parser.parse_args(arguments)
    said = []
    for voice in options.voices.split(","):
        with open_voice(voice) as speaker:
            said += [trimmed(resampled(*speaker.synthesize(line), SOUND_RATE)) for line in LINES]
    wrong = 0
    print("minutes  talk  mended    false alarms")
    for minutes in map(int, options.minutes.split(",")):
        duration_ms = minutes * 60_000
        for share in (0.25, 0.5):
            truth, heard = film(said, minutes, share, seed=minutes)
            rng = np.random.default_rng(5)
            results = mended(written(truth, rng), heard, duration_ms)
            half = len(truth) // 2
            right = [
                written(truth, rng),
                written(truth, rng, 0.5),
                written(truth[:half], rng),
                written(truth[half:], rng),
            ]
            right += [written(truth, rng, 0.9), written(truth, rng, late_ms=1200)]
            right += [written(film(said, minutes, other, seed=minutes + 1)[0], rng) for other in (0.25, 0.5)]
            false = [alarms(lines, heard, duration_ms) for lines in right]
            print(
                f"{minutes:>7}  {share:4.0%}  {sum(results):2} of {len(results)}  {sum(false)} of {len(false)}",
                flush=True,
            )
            wrong += len(results) - sum(results) + sum(false)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
