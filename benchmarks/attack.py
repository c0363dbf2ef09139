"""Damaged inputs by the thousand: what calvin makes of them, counted.

    python benchmarks/attack.py films --count 1000

Each part damages whole inputs in ways that its seed repeats and gives one outcome per try. A try that ends in a
traceback, takes a process down, hangs or loses something without a word is a fault, and is printed so that it can be
made again (`--only N`). The exit code is 1 where there was one.
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from calvin.core.errors import CalvinError
from calvin.media.film.decode import decode_film

HANG_S = 60
FAULTS = ("traceback", "died", "hung", "silent loss")
PARTS: dict[str, Callable[[int, Path], tuple[str, str]]] = {}
"""By name, what tries number N in a folder of its own: gives the outcome and a line about it."""


def damaged(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """Bytes damaged in one to three ways, and which."""
    ways = [str(way) for way in rng.choice(list(DAMAGE), int(rng.integers(1, 4)))]
    for way in ways:
        data = bytes(DAMAGE[way](bytearray(data), rng)) or b"\0"
    return data, "+".join(ways)


def _flipped(data: bytearray, rng: np.random.Generator) -> bytearray:
    for at in rng.integers(0, len(data), int(2 ** rng.uniform(0, 7))):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def _number(data: bytearray, rng: np.random.Generator) -> bytearray:
    """A length, count or time: four bytes that are none, all, or anything."""
    # Tables stand at the beginning or the end of a film more often than within it.
    span = len(data) if rng.random() < 0.4 else min(len(data), 2000)
    at = int(rng.integers(span)) if rng.random() < 0.5 else max(0, len(data) - 1 - int(rng.integers(span)))
    values = [0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, int(rng.integers(1 << 32)), int(rng.integers(1 << 16))]
    data[at : at + 4] = int(rng.choice(values)).to_bytes(4, "big" if rng.random() < 0.7 else "little")
    return data


def _piece(data: bytearray, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(len(data)))
    return start, min(len(data), start + 1 + int(2 ** rng.uniform(0, np.log2(len(data) + 1))))


def _cut_out(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _piece(data, rng)
    return data[:start] + data[end:]


def _doubled(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _piece(data, rng)
    return data[:end] + data[start:]


def _emptied(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _piece(data, rng)
    data[start:end] = bytes(end - start)
    return data


DAMAGE: dict[str, Callable[[bytearray, np.random.Generator], bytearray]] = {
    "flipped": _flipped,
    "number": _number,
    "cut short": lambda data, rng: data[: int(rng.integers(1, len(data) + 1))],
    "cut out": _cut_out,
    "doubled": _doubled,
    "emptied": _emptied,
}

CODECS = {
    "a.mp4": ("libx264", "aac"),
    "b.mov": ("libx264", "pcm_s16le"),
    "c.mkv": ("libx264", "libopus"),
    "d.ts": ("libx264", "aac"),
    "e.avi": ("mpeg4", "libmp3lame"),
    "f.webm": ("libvpx", "libopus"),
    "g.mkv": ("ffv1", "flac"),
    "h.ts": ("mpeg2video", "mp2"),
    "i.mp4": ("libx265", "aac"),
    "j.mp4": ("mpeg4", None),
}
SECONDS = 3


def whole_film(path: Path) -> None:
    """A film of three seconds, one picture a frame and a tone."""
    video, audio = CODECS[path.name]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(video, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.options = {"x265-params": "log-level=none"} if video == "libx265" else {}
        track = container.add_stream(audio, rate=48_000) if audio else None
        rng = np.random.default_rng(0)
        ground = rng.integers(0, 255, (64, 96, 3), np.uint8)
        for index in range(SECONDS * 25):
            frame = av.VideoFrame.from_ndarray(np.roll(ground, index, 1), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            clock = np.arange(SECONDS * 48_000)
            tone = (9000 * np.sin(clock / 17)).astype(np.int16)
            for start in range(0, len(tone), 960):
                block = av.AudioFrame.from_ndarray(tone[None, start : start + 960], format="s16", layout="mono")
                block.sample_rate, block.pts, block.time_base = 48_000, start, Fraction(1, 48_000)
                container.mux(track.encode(block))
            container.mux(track.encode(None))


def try_film(number: int, folder: Path) -> tuple[str, str]:
    """Decodes a damaged film as `describe` does.

    A film that comes back shorter than it was by more than half a second, or without its sound, must have said so.
    """
    rng = np.random.default_rng(number)
    name = list(CODECS)[number % len(CODECS)]
    whole = folder / name
    if not whole.is_file():
        whole_film(whole)
    data, ways = damaged(whole.read_bytes(), rng)
    film = folder / f"damaged{whole.suffix}"
    film.write_bytes(data)
    about = f"{name}, {ways}"
    try:
        decoded = decode_film(film, folder / "out")
    except CalvinError as error:
        return "refused", f"{about}: {error}"
    if decoded.report.notes:
        return "decoded, with a warning", about
    lost = []
    # Nothing in a transport stream says how long it was.
    if decoded.duration_ms < SECONDS * 1000 - 500 and not ("cut" in ways and whole.suffix == ".ts"):
        lost.append(f"{decoded.duration_ms} ms of picture")
    if CODECS[name][1] and decoded.sound is None:
        lost.append("no sound")
    return ("silent loss", f"{about}: {', '.join(lost)}") if lost else ("decoded", about)


PARTS["films"] = try_film


def work(part: str, start: int, stop: int) -> None:
    """The child: tries start to stop, a line of JSON for each."""
    with tempfile.TemporaryDirectory(prefix="calvin-attack-") as folder:
        for number in range(start, stop):
            began = time.monotonic()
            try:
                outcome, about = PARTS[part](number, Path(folder))
            except Exception:
                outcome, about = "traceback", traceback.format_exc()
            print(json.dumps([number, outcome, about, time.monotonic() - began]), flush=True)


def outcomes(part: str, start: int, stop: int) -> Iterator[tuple[int, str, str, float]]:
    """Each try's number, outcome, a line about it and its seconds; a process that dies or hangs is begun anew."""
    number = start
    while number < stop:
        command = [sys.executable, __file__, part, "--work", f"{number}:{stop}"]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stderr is not None
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_pour, args=(child.stdout, lines), daemon=True).start()
        threading.Thread(target=child.stderr.read, daemon=True).start()
        while number < stop:
            try:
                line = lines.get(timeout=HANG_S)
            except queue.Empty:
                child.kill()
                yield number, "hung", f"over {HANG_S} s", HANG_S
                number += 1
                break
            if not line:
                yield number, "died", f"exit code {child.wait()}", 0.0
                number += 1
                break
            yield tuple(json.loads(line))
            number += 1
        child.wait()


def _pour(stream: Iterator[str], lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the number to begin with: each damages in its own way")
    parser.add_argument("--only", type=int, help="one number again, with all that it says")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        work(asked.part, *map(int, asked.work.split(":")))
        return
    if asked.only is not None:
        work(asked.part, asked.only, asked.only + 1)
        return
    counts: Counter[str] = Counter()
    longest = 0.0
    for number, outcome, about, seconds in outcomes(asked.part, asked.first, asked.first + asked.count):
        counts[outcome] += 1
        longest = max(longest, seconds)
        if outcome in FAULTS:
            print(f"{number}: {outcome}: {about}", flush=True)
    for outcome, count in counts.most_common():
        print(f"{outcome:24} {count:6}")
    print(f"{'longest try':24} {longest:6.1f} s")
    sys.exit(any(counts[fault] for fault in FAULTS))


if __name__ == "__main__":
    main()
