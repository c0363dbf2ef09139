"""Bytes damaged in ways that a seed repeats."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


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
