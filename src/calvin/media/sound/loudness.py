"""How loud sound is: programme loudness and true peaks (ITU-R BS.1770), measured by FFmpeg's `ebur128`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import av.error
import numpy as np
from av.filter import Graph

from calvin.media.sound.film_sound import packed_frame

_BLOCK_S, _HOP_S = 0.4, 0.1
"""Loudness is measured in blocks of this length, one each hop; shorter sound is measured as if it went on."""
_SILENCE_LUFS = -70.0
_STEP = 0.001
"""The meter's true peaks are rounded to this."""
_PHASES, _TAPS = 4, 16
MARGIN = _TAPS // 2
"""Samples on both sides of a block that its true peaks depend on."""


def measured(blocks: Iterable[np.ndarray], rate: int, layout: str = "mono") -> tuple[float, float]:
    """Integrated loudness in LUFS (minus infinity for silence), and the true peak as a sample's absolute value.

    Memory does not grow with the sound.

    Args:
        blocks: float samples [N, channels].
        layout: FFmpeg's name of the channels.
    """
    hop, length = int(_HOP_S * rate), 0
    with TemporaryDirectory(prefix="calvin-loudness-") as folder:
        said = {key: Path(folder) / key for key in ("I", "true_peak")}
        graph = Graph()
        source = graph.add_abuffer(format="flt", sample_rate=rate, layout=layout)
        # PyAV does not hand out what a filter says of a frame, so FFmpeg writes it down.
        meters = [graph.add("ebur128", "metadata=1:framelog=quiet:peak=true")]
        for key, path in said.items():
            meters.append(graph.add("ametadata", mode="print", key=f"lavfi.r128.{key}", file=str(path), direct="1"))
        sink = graph.add("abuffersink")
        graph.link_nodes(source, *meters, sink).configure()

        def feed(samples: np.ndarray) -> None:
            nonlocal length
            source.push(packed_frame(samples, rate, layout, length))
            length += len(samples)
            with suppress(av.error.BlockingIOError):
                while True:
                    sink.pull()

        for block in blocks:
            if len(block):
                feed(block)
        # The meter speaks at the end of each hop. The last one is filled up, and counts where half of it is sound; the
        # silent one after it brings out the peaks that the meter's filter still holds.
        left = length % hop
        feed(np.zeros(((hop - left) % hop + hop, av.AudioLayout(layout).nb_channels), np.float32))
        loudness = deque([_SILENCE_LUFS, *_values(said["I"], 3)], maxlen=3)
        peak = _values(said["true_peak"], 1)[-1]
    integrated = loudness[-3 if 0 < left < hop / 2 else -2]
    return integrated if integrated > _SILENCE_LUFS else float("-inf"), peak + _STEP / 2 if peak else 0.0


def _values(path: Path, count: int) -> list[float]:
    """The last `count` values that FFmpeg's `ametadata` wrote down: each on a line of its own, as `key=value`."""
    with open(path, encoding="ascii") as lines:
        return [float(line.partition("=")[2]) for line in deque((line for line in lines if line[:5] == "lavfi"), count)]


def loudness_and_peak(samples: np.ndarray, rate: int) -> tuple[float, float]:
    """What `measured` gives for mono samples [N], however short."""
    needed = int(_BLOCK_S * rate) + 1
    if 0 < len(samples) < needed:
        samples = np.tile(samples, -(-needed // len(samples)))
    return measured([samples[:, None]], rate)


def levelled(samples: np.ndarray, rate: int, lufs: float, peak_db: float = -1.0) -> np.ndarray:
    """Mono samples [N] at a loudness, or somewhat softer where their true peak would pass `peak_db`; silence as it
    is."""
    loudness, peak = loudness_and_peak(samples, rate)
    if not np.isfinite(loudness):
        return samples
    gain = 10 ** ((lufs - loudness) / 20)
    return samples * min(gain, 10 ** (peak_db / 20) / peak)


def trimmed(samples: np.ndarray, rate: int, below_db: float = -46.0, kept_s: float = 0.03) -> np.ndarray:
    """Samples [N] without the silence before and after."""
    loud = np.flatnonzero(np.abs(samples) > np.abs(samples).max(initial=0) * 10 ** (below_db / 20))
    if not len(loud):
        return samples
    kept = round(kept_s * rate)
    return samples[max(0, loud[0] - kept) : loud[-1] + 1 + kept]


def true_peaks(samples: np.ndarray) -> np.ndarray:
    """The highest absolute value around each sample [N], between samples too, over channels of samples [N, C].

    By interpolation to four times the rate, as BS.1770 (annex 2) has it; outside the block lies silence.
    """
    import cv2  # not at the top, because only sound near its ceiling needs it

    channels = np.ascontiguousarray(samples.T)
    if not channels.size:
        return np.zeros(len(samples), samples.dtype)
    peaks = np.abs(channels)
    for kernel in _kernels():
        # OpenCV correlates, so the kernel is turned round; a tenth of the time of NumPy's convolution.
        turned, anchor = kernel[::-1][None], (MARGIN - 1, 0)
        between = cv2.filter2D(channels, -1, turned, anchor=anchor, borderType=cv2.BORDER_CONSTANT)
        np.maximum(peaks, np.abs(between, out=between), out=peaks)
    return peaks.max(axis=0)


@cache
def highest_between() -> float:
    """No true peak is above this many times the highest sample."""
    return max(float(np.abs(kernel).sum()) for kernel in _kernels())


@cache
def _kernels() -> tuple[np.ndarray, ...]:
    """Windowed sinc filters that read a signal a quarter, a half and three quarters of a sample later."""
    places = np.arange(_TAPS) - MARGIN
    kernels = []
    for phase in range(1, _PHASES):
        at = places + phase / _PHASES
        kernel = np.sinc(at) * np.cos(np.pi * at / (_TAPS + 1)) ** 2
        kernels.append((kernel / kernel.sum()).astype(np.float32))
    return tuple(kernels)
