"""How loud sound is: programme loudness and true peaks (ITU-R BS.1770), measured by FFmpeg's `ebur128`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
_NOTHING = -120.7
_STEP = 0.001
"""The meter's true peaks are rounded to this."""
_PHASES, _TAPS = 4, 16
MARGIN = _TAPS // 2
"""Samples on both sides of a block that its true peaks depend on."""


@dataclass(frozen=True, slots=True)
class Metered:
    """What a meter reads of a sound: integrated loudness (LUFS), loudness range (LU, EBU Tech 3342), true peak (dBTP).

    `momentary` is the loudness (LUFS) of the 0.4 s that end with each tenth of a second, float32 [T]. Silence is minus
    infinity; in `momentary`, -120.7 or less.
    """

    lufs: float
    range_lu: float
    peak_db: float
    momentary: np.ndarray


def measured(blocks: Iterable[np.ndarray], rate: int, layout: str = "mono") -> tuple[float, float]:
    """Integrated loudness in LUFS (minus infinity for silence), and the true peak as a sample's absolute value.

    Memory does not grow with the sound.

    Args:
        blocks: float samples [N, channels].
        layout: FFmpeg's name of the channels.
    """
    with _run(blocks, rate, layout, ("I", "true_peak")) as said:
        return said.integrated(), said.peak()


def metered(blocks: Iterable[np.ndarray], rate: int, layout: str = "mono") -> Metered:
    """All that a delivery states of a sound. Memory grows by four bytes a tenth of a second.

    Args:
        blocks: float samples [N, channels].
        layout: FFmpeg's name of the channels.
    """
    with _run(blocks, rate, layout, ("I", "true_peak", "M", "LRA")) as said:
        # Where sound ends, the meter's running sums may fall a hair below nothing, of which it takes the logarithm.
        momentary = np.nan_to_num(np.array(_values(said.files["M"], None), np.float32), nan=_NOTHING, neginf=_NOTHING)
        momentary, spread = momentary[: said.hops], [0.0, *_values(said.files["LRA"], 1)][-1]
        return Metered(said.integrated(), spread, in_db(said.peak()), momentary)


def in_db(amplitude: float) -> float:
    """A sample's absolute value in dB of full scale; of silence, -180."""
    return 20 * float(np.log10(max(amplitude, 1e-9)))


@dataclass(frozen=True, slots=True)
class _Said:
    """What FFmpeg wrote down of a sound, a file for each value, and how much sound there was."""

    files: dict[str, Path]
    length: int
    hop: int

    @property
    def hops(self) -> int:
        return max(1, round(self.length / self.hop)) if self.length else 0

    def integrated(self) -> float:
        loudness = deque([_SILENCE_LUFS, *_values(self.files["I"], 3)], maxlen=3)
        found = loudness[-3 if 0 < self.length % self.hop < self.hop / 2 else -2]
        return found if found > _SILENCE_LUFS else float("-inf")

    def peak(self) -> float:
        found = _values(self.files["true_peak"], 1)[-1]
        return found + _STEP / 2 if found else 0.0


@contextmanager
def _run(blocks: Iterable[np.ndarray], rate: int, layout: str, keys: Sequence[str]) -> Iterator[_Said]:
    """Send sound through FFmpeg's meter, which writes down the values named."""
    hop, length = int(_HOP_S * rate), 0
    with TemporaryDirectory(prefix="calvin-loudness-") as folder:
        files = {key: Path(folder) / key for key in keys}
        graph = Graph()
        source = graph.add_abuffer(format="flt", sample_rate=rate, layout=layout)
        # PyAV does not hand out what a filter says of a frame, so FFmpeg writes it down.
        meters = [graph.add("ebur128", "metadata=1:framelog=quiet:peak=true")]
        for key, path in files.items():
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
        heard, left = length, length % hop
        # The meter speaks at the end of each hop. The last one is filled up, and counts where half of it is sound; the
        # silent one after it brings out the peaks that the meter's filter still holds.
        feed(np.zeros(((hop - left) % hop + hop, av.AudioLayout(layout).nb_channels), np.float32))
        yield _Said(files, heard, hop)


def _values(path: Path, count: int | None) -> list[float]:
    """The last `count` values (None: all) that FFmpeg's `ametadata` wrote down: each on a line of its own, as
    `key=value`."""
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
