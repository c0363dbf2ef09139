"""What the speech detector misses, and what it takes for speech that is none.

    python benchmarks/speech_limits.py [--sounds FOLDER] [--soundfont FILE.sf2] [--sweep]

Speaks lines by Piper and eSpeak NG as they are, high, deep, fast, shouted (pitched up and driven into clipping),
whispered, quiet, in a hall, through a telephone and under music. Prints for each the share of the speech that is found,
how many lines are not found (less than half of the line), and the share that is beyond doubt (`Heard.sure`). Then the
same of sounds without speech: made ones (chords, noise, sirens, bells, an engine, wind, steps, a bird), and, where
named, sound files of a folder (any that FFmpeg reads) and instruments of a General MIDI soundfont (`pip install
tinysoundfont`; pretty_midi carries TimGM6mb.sf2). `--sweep` compares settings.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from speech import BEDS, LINES, covered_ms, mixed, trimmed

from calvin.core.time import Span
from calvin.media.sound.film_sound import SOUND_RATE, resampled, write_wav
from calvin.media.sound.speech import Heard, SpeechSettings, listen
from calvin.media.voice.registry import open_voice
from calvin.media.voice.worker import espeak_engine

RNG = np.random.default_rng(0)
SWEEP = [SpeechSettings(threshold=threshold, high=high) for threshold in (0.2, 0.3, 0.4, 0.5) for high in (False, True)]


def pitched(samples: np.ndarray, factor: float) -> np.ndarray:
    """Faster and higher, as a child's voice is."""
    at = np.arange(0, len(samples) - 1, factor)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def driven(samples: np.ndarray, gain: float) -> np.ndarray:
    return np.clip(samples / np.abs(samples).max() * gain, -1, 1).astype(np.float32)


def in_hall(samples: np.ndarray, seconds: float, dry: float = 0.2) -> np.ndarray:
    """Reverberation that falls by 60 dB in some time."""
    count = int(seconds * SOUND_RATE)
    echo = RNG.standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    size = 1 << (len(samples) + count).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echo, size), size)[: len(samples)]
    return (dry * samples / samples.std() + wet / wet.std()).astype(np.float32)


def filtered(samples: np.ndarray, low: float, high: float) -> np.ndarray:
    spectrum = np.fft.rfft(samples)
    bins = np.fft.rfftfreq(len(samples), 1 / SOUND_RATE)
    return np.fft.irfft(spectrum * ((bins >= low) & (bins <= high)), len(samples)).astype(np.float32)


def whispered(samples: np.ndarray) -> np.ndarray:
    """The same spectrum over time without a voice: phases by chance."""
    window, step = np.hanning(512), 128
    out = np.zeros(len(samples) + 512)
    for at in range(0, len(samples) - 512, step):
        spectrum = np.abs(np.fft.rfft(samples[at : at + 512] * window))
        smooth = np.convolve(spectrum, np.ones(9) / 9, "same")
        out[at : at + 512] += window * np.fft.irfft(smooth * np.exp(2j * np.pi * RNG.random(len(smooth))))
    return out[: len(samples)].astype(np.float32)


def voices() -> Iterator[tuple[str, list[np.ndarray], Callable[[np.ndarray], np.ndarray]]]:
    """Ways to speak: name, lines, and what becomes of them and the silence between them."""
    with open_voice("piper") as speaker:
        plain = [resampled(*speaker.synthesize(line), SOUND_RATE) for line in LINES]

    def same(samples: np.ndarray) -> np.ndarray:
        return samples

    yield "piper", plain, same
    for factor in (0.7, 0.85, 1.2, 1.4, 1.6, 1.8):
        yield f"piper, pitch x {factor:g}", [pitched(line, factor) for line in plain], same
    for gain in (5, 20):
        yield f"piper, clipped x {gain}", [driven(line, gain) for line in plain], same
    for factor in (1.3, 1.6, 2.0, 2.5):
        yield f"piper, shouted, x {factor:g}", [driven(pitched(line, factor), 20) for line in plain], same
    yield "piper, whispered", [whispered(line) for line in plain], same
    yield "piper, telephone", [filtered(line, 300, 3400) for line in plain], same
    yield "piper, behind a wall", [filtered(line, 60, 500) for line in plain], same
    for level in (-30, -50):
        yield f"piper, peaks at {level} dB", plain, lambda sound, db=level: sound * 10 ** (db / 20)
    for seconds in (0.5, 1.5, 3.0):
        yield f"piper, hall of {seconds:g} s", plain, lambda sound, seconds=seconds: in_hall(sound, seconds)
    for bed in ("music", "noise"):
        for level in (10, 5, 0, -5, -10):
            yield f"piper, {bed} at {level} dB", plain, lambda sound, b=bed, db=level: over(sound, BEDS[b], db)
    speak = espeak_engine("en-us")
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    for pitch in (0, 25, 50, 75, 99):
        library.espeak_SetParameter(3, pitch, 0)
        yield f"espeak, pitch {pitch}", [resampled(*speak(line, 1.0), SOUND_RATE) for line in LINES], same
    for speed in (0.6, 2.0):
        library.espeak_SetParameter(3, 50, 0)
        yield f"espeak, speed x {speed:g}", [resampled(*speak(line, speed), SOUND_RATE) for line in LINES], same
    library.espeak_SetParameter(3, 99, 0)
    high = [driven(resampled(*speak(line, 1.0), SOUND_RATE), 20) for line in LINES]
    yield "espeak, 99, clipped x 20", high, same


def over(sound: np.ndarray, bed: Callable[[int, np.random.Generator], np.ndarray], level_db: float) -> np.ndarray:
    loud = np.abs(sound) > 0.02 * np.abs(sound).max()
    spans = [Span(0, 0)]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int), [0]]))) * 1000 // SOUND_RATE
    spans = [Span(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]
    return mixed(sound, spans, bed(len(sound), np.random.default_rng(2)), level_db)


def laid_out(lines: Sequence[np.ndarray]) -> tuple[np.ndarray, list[Span]]:
    """Lines three times over with silences between, and where they are."""
    parts, spans, at = [], [], 0
    for number in range(3 * len(lines)):
        pause, line = np.zeros((1 + number % 4) * SOUND_RATE, np.float32), trimmed(lines[number % len(lines)])
        spans.append(Span((at + len(pause)) * 1000 // SOUND_RATE, (at + len(pause) + len(line)) * 1000 // SOUND_RATE))
        parts += [pause, line]
        at += len(pause) + len(line)
    return np.concatenate([*parts, np.zeros(2 * SOUND_RATE, np.float32)]), spans


def made_sounds() -> Iterator[tuple[str, np.ndarray]]:
    """Sounds without speech that nobody recorded, half a minute each."""
    count = 30 * SOUND_RATE
    t = np.arange(count) / SOUND_RATE
    yield "chords", BEDS["music"](count, RNG)
    yield "noise", BEDS["noise"](count, RNG)
    yield "siren", np.sin(2 * np.pi * np.cumsum(700 + 300 * np.sin(2 * np.pi * 0.4 * t)) / SOUND_RATE)
    yield "two-tone horn", np.sign(np.sin(2 * np.pi * np.where(t % 1.2 < 0.6, 440, 585) * t))
    bells = sum(np.sin(2 * np.pi * f * t) * np.exp(-2 * (t % 3)) for f in (523, 1210, 1650, 2750))
    yield "bells", np.asarray(bells)
    engine = np.sign(np.sin(2 * np.pi * np.cumsum(60 + 20 * np.sin(t)) / SOUND_RATE)) + 0.3 * RNG.standard_normal(count)
    yield "engine", filtered(engine, 30, 1500)
    wind = filtered(RNG.standard_normal(count), 150, 900) * (1.2 + np.sin(2 * np.pi * 0.2 * t))
    yield "wind", wind
    yield "steps", RNG.standard_normal(count) * np.exp(-30 * (t % 0.55))
    chirp = np.sin(2 * np.pi * np.cumsum(3000 + 900 * np.sin(2 * np.pi * 8 * t)) / SOUND_RATE) * (t % 1.7 < 0.5)
    yield "bird", chirp
    saw = 2 * ((220 * 2 ** (np.floor(t * 2) % 5 / 12) * t) % 1) - 1
    yield "saw melody", filtered(saw, 100, 4000) * (0.4 + 0.6 * np.exp(-3 * (t % 0.5)))
    vowel = sum(np.sin(2 * np.pi * 196 * n * t) / (1 + ((196 * n - 700) / 150) ** 2) for n in range(1, 15))
    yield "one sung vowel", np.asarray(vowel) * (0.6 + 0.4 * np.sin(2 * np.pi * 5 * t))


def file_sounds(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".wav", ".mp3", ".ogg", ".flac")):
        pieces = []
        with av.open(str(path)) as container:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE)
            for frame in container.decode(audio=0):
                pieces += [made.to_ndarray()[0] for made in resampler.resample(frame)]
        yield path.name, np.concatenate([*pieces, np.zeros(SOUND_RATE, np.float32)])


def instruments(soundfont: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Each third instrument of General MIDI, and its voices, playing a melody and chords by chance."""
    import tinysoundfont

    synth = tinysoundfont.Synth(samplerate=SOUND_RATE)
    font = synth.sfload(str(soundfont))
    for program in sorted({*range(0, 128, 3), 52, 53, 54}):
        synth.program_select(0, font, 0, program)
        pieces, rng = [], np.random.default_rng(program)
        for _ in range(40):
            base = int(rng.choice([57, 59, 60, 62, 64, 65, 67, 69, 72]))
            keys = [base] if rng.random() < 0.6 else [base, base + 4, base + 7]
            for key in keys:
                synth.noteon(0, key, int(rng.integers(60, 120)))
            played = synth.generate(int(SOUND_RATE * rng.choice([0.25, 0.5, 1.0])))
            pieces.append(np.frombuffer(played, np.float32).copy())
            for key in keys:
                synth.noteoff(0, key)
        yield f"instrument {program}", np.concatenate(pieces).reshape(-1, 2).mean(axis=1)


def found_in(sound: np.ndarray, settings: SpeechSettings) -> Heard:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.wav"
        write_wav(path, sound, SOUND_RATE)
        return listen(path, settings=settings)


def heard_of(spans: Sequence[Span], found: Sequence[Span]) -> tuple[float, int]:
    """The share of spans that is covered, and how many of them are covered by less than half."""
    covered = [covered_ms(span, found) for span in spans]
    missed = sum(ms < span.duration_ms / 2 for ms, span in zip(covered, spans, strict=True))
    return sum(covered) / sum(span.duration_ms for span in spans), missed


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=Path)
    parser.add_argument("--soundfont", type=Path)
    parser.add_argument("--sweep", action="store_true")
    options = parser.parse_args(arguments)
    spoken = []
    for name, lines, change in voices():
        sound, spans = laid_out(lines)
        sound = change(sound / np.abs(sound).max())
        spoken.append((name, sound if "peaks" in name else sound / np.abs(sound).max() * 0.9, spans))
    others = [*made_sounds()]
    others += file_sounds(options.sounds) if options.sounds else ()
    others += instruments(options.soundfont) if options.soundfont else ()
    others = [(name, 0.5 * sound / max(float(np.abs(sound).max()), 1e-9)) for name, sound in others]
    seconds = sum(len(sound) for _, sound in others) / SOUND_RATE
    for settings in SWEEP if options.sweep else [SpeechSettings()]:
        total, missed, count = 0.0, 0, 0
        if not options.sweep:
            print(f"{'voice':<26} found  lines missed   surely")
        for name, sound, spans in spoken:
            heard = found_in(sound, settings)
            share, none = heard_of(spans, heard.spans)
            total, missed, count = total + share, missed + none, count + len(spans)
            if not options.sweep:
                print(f"{name:<26} {share:5.1%}  {none:2} of {len(spans)}     {heard_of(spans, heard.sure)[0]:6.1%}")
        false = sure = 0.0
        for name, sound in others:
            heard = found_in(sound, settings)
            length = sum(span.duration_ms for span in heard.spans) / 1000
            false, sure = false + length, sure + sum(span.duration_ms for span in heard.sure) / 1000
            if length and not options.sweep:
                print(f"{name:<26} {length:4.1f} of {len(sound) / SOUND_RATE:5.1f} s taken for speech")
        print(
            f"threshold {settings.threshold:g}, slowed down too: {settings.high}: {total / len(spoken):.1%} of speech "
            f"found, {missed} of {count} lines missed; {false / seconds:.2%} of {seconds:.0f} s of {len(others)} other "
            f"sounds taken for speech, surely {sure / seconds:.2%}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
