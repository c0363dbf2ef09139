"""Lines of a description in other releases of their film: how many are within 80 ms of where their scene is now.

    python benchmarks/conform.py                 # four puppet films with voices, each in six made releases
    python benchmarks/conform.py --films 1
    python benchmarks/conform.py --two-hours     # how long two films of two hours take to compare, and how much memory

The releases are made by decoding and encoding again: with scenes out, with one put in, at 25 for 24 frames per second,
in another grade, size and level, without sound, and dubbed (the voices of another film). A line counts as right where
its moment is placed within 80 ms, or is said not to be there where it is not. Moments within half a second of a change
are left out: which side they belong to is for nobody to say.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import av
import numpy as np

from calvin.media.conform.matching import Release, match
from calvin.media.conform.tracks import SIDES, SOUND_RATE_HZ, FilmTrace, picture_track, sound_track
from calvin.media.film.decode import decode_film
from calvin.media.film.sampling import iter_clip_frames
from calvin.media.sound.film_sound import programme_blocks

RATE, SOUND_HZ, NEAR_MS = 25, 48_000, 80
Parts = list[tuple[Path, float, float]]


class Source:
    """A film in memory: pictures uint8 [T, H, W, 3] at 25 a second, sound float32 [N] at 48 kHz."""

    known: ClassVar[dict[Path, Source]] = {}

    def __init__(self, path: Path) -> None:
        self.pictures = [rgb for _, rgb in iter_clip_frames(path, RATE)]
        with av.open(str(path)) as container:
            track = container.streams.audio[0].index
        self.sound = np.concatenate([block[:, 0] for block in programme_blocks(path, track, "mono")])

    @classmethod
    def of(cls, path: Path) -> Source:
        if path not in cls.known:
            cls.known[path] = cls(path)
        return cls.known[path]


def release(
    path: Path, parts: Parts, speed: Fraction = Fraction(1), size: tuple[int, int] | None = None,
    grade: tuple[float, float] = (1, 0), gain: float | None = 1.0, dub: Path | None = None,
) -> None:  # fmt: skip
    """Write a release made of parts (film, start and end in s); `gain` None: without sound, `dub`: with that of another
    film."""
    pictures, sounds = [], []
    for film, start, end in parts:
        source = Source.of(film)
        pictures += source.pictures[round(start * RATE) : round(end * RATE)]
        sounds.append(source.sound[round(start * SOUND_HZ) : round(end * SOUND_HZ)])
    sound = np.concatenate(sounds)
    if dub is not None:
        sound = np.resize(Source.of(dub).sound, len(sound))
    rate = RATE * speed
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "30"})
        video.height, video.width = size or pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = None if gain is None else container.add_stream("aac", rate=SOUND_HZ, layout="mono")
        for number, rgb in enumerate(pictures):
            graded = rgb if grade == (1, 0) else np.clip(rgb * grade[0] + grade[1], 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(graded), "rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            places = np.arange(int(len(sound) / speed)) * float(speed)
            heard = (np.interp(places, np.arange(len(sound)), sound) * (gain or 0)).astype(np.float32)
            for start in range(0, len(heard), 1024):
                block = av.AudioFrame.from_ndarray(heard[None, start : start + 1024].copy(), "fltp", "mono")
                block.sample_rate, block.pts, block.time_base = SOUND_HZ, start, Fraction(1, SOUND_HZ)
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))


def looked_at(path: Path) -> Release:
    with tempfile.TemporaryDirectory() as folder:
        decoded = decode_film(path, folder)
        tracks = picture_track(decoded.frames), sound_track(decoded.sound, decoded.duration_ms / 1000)
        return Release(tracks, decoded.duration_ms, decoded.cuts_ms)


def there(ms: float, film: Path, parts: Parts, speed: Fraction) -> tuple[float | None, float]:
    """Where a moment is in a release (None: nowhere), and how far from a change it is, both in ms."""
    at, found, margin = 0.0, None, 1e9
    end_s = max(end for source, _, end in parts if source == film)
    for source, start, end in parts:
        if source == film:
            edges = [edge for edge in (start, end) if 0.1 < edge < end_s - 0.1]
            margin = min([margin, *(abs(ms - edge * 1000) for edge in edges)])
            if start * 1000 <= ms < end * 1000:
                found = (at + ms / 1000 - start) * 1000 / float(speed)
        at += end - start
    return found, margin


def releases(film: Path, other: Path, seed: int) -> dict[str, dict[str, object]]:
    rng = np.random.default_rng(seed)
    first, second = round(float(rng.uniform(15, 35)), 2), round(float(rng.uniform(55, 75)), 2)
    end = len(Source.of(film).pictures) / RATE
    cut: Parts = [(film, 0, first), (film, first + 9, second), (film, second + 8, end)]
    longer: Parts = [(other, 0, 6), (film, 0, first), (other, 20, 31), (film, first, end)]
    return {
        "two scenes out": {"parts": cut},
        "a logo and a scene in": {"parts": longer},
        "two out, 25 for 24 fps": {"parts": cut, "speed": Fraction(25, 24)},
        "graded, 4:3, softer": {"parts": cut, "size": (360, 480), "grade": (0.8, 30), "gain": 0.4},
        "without sound": {"parts": cut, "gain": None},
        "dubbed": {"parts": cut, "dub": other},
    }


def measure(films: int) -> None:
    folder = Path(tempfile.gettempdir()) / "calvin-benchmarks" / "conform"
    folder.mkdir(parents=True, exist_ok=True)
    total: dict[str, list[float]] = {}
    for seed in range(films):
        paths = [folder / f"film-{number}.mp4" for number in (seed, films + seed)]
        for path in paths:
            if not path.exists():
                number = path.stem.rpartition("-")[2]
                words = [sys.executable, "-m", "calvin", "puppets", "film", str(path), "--seed", f"7{number}"]
                subprocess.run([*words, "--width", "320", "--height", "180"], check=True, capture_output=True)
        film, other = paths
        scenes = json.loads(film.with_suffix(".truth.json").read_text(encoding="utf-8"))["scenes"]
        moments = [(scene["start_ms"] + scene["end_ms"]) / 2 for scene in scenes]
        old = looked_at(film)
        for name, how in releases(film, other, seed).items():
            path = folder / f"release-{seed}-{'-'.join(name.replace(',', '').split())}.mp4"
            if not path.exists():
                release(path, **how)  # type: ignore[arg-type]
            changes = match(old, looked_at(path))
            for ms in moments:
                true, margin = there(ms, film, how["parts"], how.get("speed", Fraction(1)))  # type: ignore[arg-type]
                if margin < 500:
                    continue
                piece = changes.piece_at(int(ms))
                off = 1e9 if (piece is None) != (true is None) else 0.0
                if piece is not None and true is not None:
                    off = abs(piece.carried(int(ms)) - true)
                total.setdefault(name, []).append(off)
        Source.known.clear()
    print(f"{films} films\n\n| release | lines | within {NEAR_MS} ms | median off, ms | wrong |\n|---|---|---|---|---|")
    for name, offs in [*total.items(), ("all", [off for many in total.values() for off in many])]:
        near = np.mean(np.array(offs) <= NEAR_MS)
        wrong = sum(off > NEAR_MS for off in offs)
        print(f"| {name} | {len(offs)} | {near:.1%} | {np.median(offs):.0f} | {wrong} |")


def two_hours() -> None:
    """Two releases of two hours made of numbers: scenes of 2 to 8 s, ten of them out, a hundredth of the rest noise."""
    rng = np.random.default_rng(0)
    seconds = 7200
    rates = (5.0, SOUND_RATE_HZ)
    pictures = [rng.normal(size=SIDES[0] * SIDES[1]) for _ in range(1800)]
    picture = np.repeat(pictures, 20, axis=0)[: seconds * 5] + rng.normal(0, 0.3, (seconds * 5, SIDES[0] * SIDES[1]))
    picture /= np.linalg.norm(picture, axis=1, keepdims=True)
    sound = rng.normal(0, 5, (int(seconds * SOUND_RATE_HZ), 10))
    kept = [(at * 720, at * 720 + 700) for at in range(10)]
    tracks = [picture.astype(np.float32), sound.astype(np.float32)]
    parts = [
        np.concatenate([track[int(a * rate) : int(b * rate)] for a, b in kept])
        for track, rate in zip(tracks, rates, strict=True)
    ]
    old = Release(tuple(FilmTrace(t, r) for t, r in zip(tracks, rates, strict=True)), seconds * 1000)
    new = Release(tuple(FilmTrace(t, r).stretched(0.96) for t, r in zip(parts, rates, strict=True)), 6_720_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, spent = time.perf_counter(), time.process_time()
    changes = match(old, new)
    took, spent = time.perf_counter() - started, time.process_time() - spent
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"two hours: {took:.0f} s by the clock, {spent:.0f} s of a core, {(most - before) / 1024:.0f} MB more memory")
    print(f"{len(changes.pieces)} pieces, {changes.share:.1%} found, at {changes.rate:.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=4)
    parser.add_argument("--two-hours", action="store_true")
    asked = parser.parse_args()
    two_hours() if asked.two_hours else measure(asked.films)
