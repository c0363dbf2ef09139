"""Pictures of high dynamic range or wide gamut, brought to the BT.709 that everything after the decoder expects.

FFmpeg as PyAV brings it has no zimg, and swscale's own conversion takes seconds to begin and makes the picture dark.
So the standards' formulae are applied here, to the small stills, after scaling.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

# Numbers of ITU-T H.273, which files and FFmpeg use.
BT2020_TRANSFERS, PQ, HLG = (14, 15), 16, 18
BT2020, P3_DCI, P3 = 9, 11, 12
UNSPECIFIED = 2

REFERENCE_WHITE = 203
"""Nits of a sheet of white paper in HDR (BT.2408): it becomes the white of SDR."""
_HLG_PEAK, _HLG_GAMMA = 1000, 1.2
"""The display that HLG is shown on (BT.2100, table 5)."""
_DISPLAY_GAMMA = 2.4
"""BT.1886."""
_KNEE = 0.8
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)
_TO_BT709 = {
    BT2020: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],  # BT.2087
    P3: [[1.2249, -0.2249, 0.0], [-0.0421, 1.0421, 0.0], [-0.0196, -0.0786, 1.0982]],
}
_TO_BT709[P3_DCI] = _TO_BT709[P3]

_KNOWN = {
    "colorspace": frozenset((0, 1, 2, 4, 5, 6, 7, 9)),
    "color_trc": frozenset((1, 2, 4, 5, 6, 7, 8, *range(11, 17), 18)),
    "color_primaries": frozenset((1, 2, *range(4, 10), 11, 12, 22)),
    "color_range": frozenset((0, 1, 2)),
}
"""What swscale reads of a frame's colours; anything else is an error to it."""
_NAMES = {
    "colorspace": {
        8: "YCgCo",
        10: "BT.2020 with constant luminance",
        11: "SMPTE ST 2085",
        12: "chromaticity-derived",
        13: "chromaticity-derived with constant luminance",
        14: "ICtCp",
        15: "IPT-PQ-C2, of Dolby Vision 5",
        16: "YCgCo-R",
        17: "YCgCo-R",
    },
    "color_trc": {9: "a logarithmic curve", 10: "a logarithmic curve", 17: "SMPTE ST 428-1"},
    "color_primaries": {10: "CIE XYZ"},
}


def settle_colours(frame: VideoFrame) -> str | None:
    """Take from a frame what swscale would refuse; the name of its colours where they cannot be converted, or None."""
    name = None
    for field, known in _KNOWN.items():
        value = getattr(frame, field)
        if value not in known:
            name = name or _NAMES.get(field, {}).get(value)
            setattr(frame, field, 0 if field == "color_range" else UNSPECIFIED)
    return name


def is_wide(frame: VideoFrame) -> bool:
    """Whether a frame's colours mean something else than BT.709's."""
    transfer, primaries = frame.color_trc, frame.color_primaries
    return transfer in (PQ, HLG) or transfer in BT2020_TRANSFERS or primaries in _TO_BT709


def to_bt709(rgb: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """Pictures uint16 RGB [..., 3] of a transfer curve and primaries (numbers of H.273) as uint8 BT.709 of that shape.

    HDR is taken as light on its display (PQ: SMPTE ST 2084; HLG: BT.2100, 1000 nits). Reference white, 203 nits, is
    SDR's white. Up to 0.8 of that, light stays as it is; above, it is bent so that 1000 nits arrive just below white.
    The curve takes the largest of R, G and B and dims all three alike, so that bright colours keep their hue. What lies
    outside BT.709's gamut is clipped.
    """
    hdr = transfer in (PQ, HLG)
    light = _light(transfer)[rgb]
    if transfer == HLG:
        luminance = (light @ _LUMINANCE)[..., None]
        light *= (_HLG_PEAK / REFERENCE_WHITE) * luminance ** (_HLG_GAMMA - 1)
    matrix = _TO_BT709.get(BT2020 if primaries == UNSPECIFIED else primaries)
    if matrix is not None:
        light = np.maximum(light @ np.array(matrix, np.float32).T, 0)
    if hdr:
        brightest = light.max(axis=-1, keepdims=True)
        bent = _KNEE + (1 - _KNEE) * -np.expm1(-(brightest - _KNEE) / (1 - _KNEE))
        light = np.where(brightest > _KNEE, light * (bent / np.maximum(brightest, _KNEE)), light)
    return (np.minimum(light, 1) ** (1 / _DISPLAY_GAMMA) * 255 + 0.5).astype(np.uint8)


@cache
def _light(transfer: int) -> np.ndarray:
    """Light of each code value, float32 [65536]: 1 is reference white; for HLG, the scene's light from 0 to 1."""
    code = np.arange(65536) / 65535
    if transfer == PQ:
        root = code ** (32 / 2523)
        nits = 10_000 * (np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)) ** (8192 / 1305)
        light = nits / REFERENCE_WHITE
    elif transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    else:
        light = code**_DISPLAY_GAMMA
    return light.astype(np.float32)
