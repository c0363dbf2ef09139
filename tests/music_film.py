"""A film of 40 seconds with music in which no second is like another, in any container and codec."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

SECONDS = 40


@lru_cache(maxsize=1)
def music(rate: int, channels: int) -> np.ndarray:
    """float32 [channels, N]: chords that go on changing, so that no second is like another."""
    clock = np.arange(SECONDS * rate) / rate
    rng = np.random.default_rng(7)
    steps = rng.uniform(150, 1500, (channels, SECONDS * 4))
    hertz = np.repeat(steps, rate // 4, axis=1)[:, : len(clock)]
    hertz = np.pad(hertz, ((0, 0), (0, len(clock) - hertz.shape[1])), mode="edge")
    return (0.25 * np.sin(2 * np.pi * np.cumsum(hertz, axis=1) / rate)).astype(np.float32)


def write_music_film(path: Path, codec: str, rate: int, layout: str, begins_s: float = 0.0) -> Path:
    with av.open(str(path), "w") as container:
        kind = "libvpx" if path.suffix == ".webm" else "mpeg4" if path.suffix == ".avi" else "libx264"
        options = {"deadline": "realtime"} if path.suffix == ".webm" else {}
        video = container.add_stream(kind, rate=10, options=options)
        video.width, video.height, video.pix_fmt, video.gop_size = 64, 48, "yuv420p", 50
        # Where AAC only says how much noise there is, a decoder makes some, and other noise each time.
        quiet = {"aac_pns": "0"} if codec == "aac" else {}
        sound = container.add_stream(codec, rate=rate, layout=layout, options=quiet)
        samples = music(rate, sound.codec_context.layout.nb_channels)
        packets = []
        for number in range(SECONDS * 10):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number % 200, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            packets += [(number / 10, packet) for packet in video.encode(frame)]
        packets += [(SECONDS, packet) for packet in video.encode(None)]
        for start in range(0, samples.shape[1], 960):
            piece = np.ascontiguousarray(samples[:, start : start + 960])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = start + round(begins_s * rate)
            packets += [(begins_s + start / rate, packet) for packet in sound.encode(frame)]
        packets += [(SECONDS + begins_s, packet) for packet in sound.encode(None)]
        for _, packet in sorted(packets, key=lambda one: one[0]):
            container.mux(packet)
    return path
