"""How loud sound is: programme loudness (ITU-R BS.1770 by pyloudnorm) and true peaks."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from calvin.core.errors import MissingExtraError

_BLOCK_S = 0.4
"""Loudness is measured in blocks of this length; shorter sound is measured as if it went on."""
_PHASES, _TAPS = 4, 16
MARGIN = _TAPS // 2
"""Samples on both sides of a block that its true peaks depend on."""


def loudness_lufs(samples: np.ndarray, rate: int) -> float:
    """Integrated loudness of mono samples [N] in LUFS; minus infinity for silence.

    Raises:
        MissingExtraError: pyloudnorm is not installed.
    """
    try:
        from pyloudnorm import Meter
    except ImportError as error:
        raise MissingExtraError("Levelling a voice", "voice") from error
    needed = int(_BLOCK_S * rate) + 1
    if len(samples) < needed:
        samples = np.tile(samples, -(-needed // max(len(samples), 1))) if len(samples) else np.zeros(needed)
    return float(Meter(rate).integrated_loudness(samples.astype(np.float64)))


def levelled(samples: np.ndarray, rate: int, lufs: float, peak_db: float = -1.0) -> np.ndarray:
    """Mono samples at a loudness, or somewhat softer where their true peak would pass `peak_db`; silence as it is."""
    loudness = loudness_lufs(samples, rate)
    if not np.isfinite(loudness):
        return samples
    louder = samples * 10 ** ((lufs - loudness) / 20)
    over = float(true_peaks(louder[:, None]).max()) / 10 ** (peak_db / 20)
    return louder / max(1.0, over)


def trimmed(samples: np.ndarray, rate: int, below_db: float = -46.0, kept_s: float = 0.03) -> np.ndarray:
    """Samples without the silence before and after."""
    loud = np.flatnonzero(np.abs(samples) > np.abs(samples).max(initial=0) * 10 ** (below_db / 20))
    if not len(loud):
        return samples
    kept = round(kept_s * rate)
    return samples[max(0, loud[0] - kept) : loud[-1] + 1 + kept]


def true_peaks(samples: np.ndarray) -> np.ndarray:
    """The highest absolute value around each sample [N], between samples too, over channels of samples [N, C].

    By interpolation to four times the rate, as BS.1770 (annex 2) has it; outside the block lies silence.
    """
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
