"""Damaged films, decoded as `calvin describe` does."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from attacks.damage import damaged

from calvin.core.errors import CalvinError
from calvin.media.film.decode import decode_film

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
