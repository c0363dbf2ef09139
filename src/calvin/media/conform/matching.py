"""Two releases of a film laid over each other: how much faster one runs, and which scenes lie how much later.

Three steps. Windows of one film are looked for in all of the other by cross-correlation of both tracks, which gives the
speed and all shifts there are. With these few shifts every fifth of a second is given the shift that suits it and its
neighbours best, or none (dynamic programming, as in Viterbi's algorithm). Each piece is then laid exactly by its sound,
or by its picture where there is none, and ends at cuts where there are some.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calvin.core.progress import Stage
from calvin.core.time import Span, round_half_up
from calvin.media.conform.change_list import ChangeList, Piece
from calvin.media.conform.pieces import apart, at_cuts, exact, fit, split
from calvin.media.conform.tracks import FilmTrace, Release, fewer, running_mean
from calvin.media.sound.alignment import STRETCHES, stretch_of

RATES = tuple(float(stretch_of(text)) for text in dict.fromkeys(("", "24/25", "25/24", *STRETCHES)))
"""By what times of a film are taken times in releases at another frame rate, the plainest first."""
STEP_HZ = 5.0
_COARSE_HZ = 12.5
_WINDOW_S = 16.0
_HOP_S = 8.0
_PEAKS = 3
_COLUMNS = 6
_WINDOWS = 120
"""So many windows tell the speed."""
_CLEARLY = 1.02
"""Another speed has to suit so much better than the best before it."""
_SPEEDS = 3
_GOOD = 0.7
"""Of the shorter film, how much has to fit so that no other speed is tried."""
_FIT = 0.6
"""How well a track fits at least that is the same in both releases."""
_SHARPNESS, _PIECE_MS = 4, 1500
"""Of scenes in one place pictures alone fit to 0.9; the same picture fits to 0.99."""
_TOLD_APART_MS = 500
"""Two speeds by which a film ends less apart are one."""
_SAME_S = 0.3
"""Shifts that differ by less are one: no editor puts in so little."""
_MOST_SHIFTS, _MORE_SHIFTS = 80, 40
_AROUND_S = 2.0
_CHANGE = 16.0
"""What it costs to change the shift, in steps that fit perfectly: a piece shorter than twice that is not believed."""


@dataclass(frozen=True, slots=True)
class _Judge:
    """How alike parts of a track are where they are the same, and where they are not."""

    same: float
    other: float

    @property
    def weight(self) -> float:
        return min(1.0, max(0.0, (self.same - self.other - 0.1) / 0.4))

    def evidence(self, alike: np.ndarray) -> np.ndarray:
        """-1.5 to 1: for how much a likeness speaks."""
        middle, half = (self.same + self.other) / 2, max((self.same - self.other) / 2, 0.05)
        return np.clip((alike - middle) / half, -1.5, 1.0) * self.weight


def match(old: Release, new: Release, stage: Stage | None = None) -> ChangeList:
    """Where what of one release of a film lies in another; no pieces where they are not of one film."""
    slow = [
        [track.slowed(_COARSE_HZ) for track in fewer(pair, _COLUMNS)]
        for pair in zip(old.tracks, new.tracks, strict=True)
    ]
    best, chosen = 0.0, list[Piece]()
    rates = _likely_rates(slow, old.duration_ms)
    for number, rate in enumerate(rates):
        shifts = _clustered(*_all_shifts(slow, rate))
        pieces = _at_speed(old, new, rate, shifts)
        worth = _worth(pieces, old, new)
        if not _both_fit(pieces, old, new):  # a dub, or other pictures: chance likenesses of the one mislead the other
            for alone in range(len(old.tracks)):
                one, other = _by_one(old, alone), _by_one(new, alone)
                found = _at_speed(one, other, rate, shifts)
                if _worth(found, one, other) > worth * _CLEARLY:
                    pieces, worth = found, _worth(found, one, other)
        if worth > best * _CLEARLY:
            best, chosen = worth, pieces
        if stage is not None:
            stage.update((number + 1) / len(rates))
        if best > _GOOD * min(old.duration_ms, new.duration_ms):
            break
    return ChangeList(tuple(apart(split(at_cuts(chosen, old, new), old, new))), old.duration_ms, new.duration_ms)


def _at_speed(old: Release, new: Release, rate: float, shifts: np.ndarray) -> list[Piece]:
    """The pieces of one speed that suit best, exactly laid."""
    if not len(shifts):
        return []
    pieces = _followed(old, new, rate, shifts)
    # Windows tell shifts to a fifth of a second, by which pictures around cuts are compared with others: once more.
    exact = np.array([(piece.start_ms - piece.old.start_ms * rate) / 1000 for piece in pieces])
    others = [shift for shift in shifts if not len(exact) or np.abs(exact - shift).min() > _SAME_S]
    return _followed(old, new, rate, np.array([*dict.fromkeys(exact.tolist()), *others[:_MORE_SHIFTS]]))


# Speed and shifts


def _likely_rates(slow: Sequence[Sequence[FilmTrace]], duration_ms: int) -> list[float]:
    """The same speed, and those others with which most windows agree, the likeliest first."""
    every = max(1, int(duration_ms / 1000 / _HOP_S / _WINDOWS))
    agreed = {rate: _agreement(*_all_shifts(slow, rate, every)) for rate in RATES}
    agreed[RATES[0]] *= _CLEARLY
    found: list[float] = []
    for rate in sorted(agreed, key=lambda rate: -agreed[rate]):
        if len(found) < _SPEEDS and all(abs(rate - known) * duration_ms > _TOLD_APART_MS for known in found):
            found.append(rate)
    plainest = [next(one for one in RATES if abs(one - rate) * duration_ms <= _TOLD_APART_MS) for rate in found]
    found = list(dict.fromkeys(plainest))
    return found if RATES[0] in found else [*found, RATES[0]]


def _fits(piece: Piece, old: Release, new: Release) -> list[float]:
    """How well each track fits in a piece."""
    fits = []
    for one, other in zip(old.tracks, new.tracks, strict=True):
        times = np.arange(piece.old.start_ms / 1000, piece.old.end_ms / 1000, 1 / one.rate)
        mapped = piece.there(times * 1000) / 1000
        fits.append(fit(one.at(times), other.at(mapped)))
    return fits


def _worth(pieces: Sequence[Piece], old: Release, new: Release) -> float:
    """How many ms of a film fit, each piece as well as its better track does, less what so many pieces cost."""
    fits = [max(0.0, *_fits(piece, old, new)) ** _SHARPNESS * piece.old.duration_ms - _PIECE_MS for piece in pieces]
    return sum(fits)


def _both_fit(pieces: Sequence[Piece], old: Release, new: Release) -> bool:
    whole = sum(piece.old.duration_ms for piece in pieces)
    fits = np.array([[piece.old.duration_ms * fit for fit in _fits(piece, old, new)] for piece in pieces])
    return bool(whole and (fits.sum(axis=0) / whole).min() >= _FIT)


def _by_one(release: Release, number: int) -> Release:
    """A release that is judged by one track alone; the other is blank."""
    blank = [FilmTrace(np.zeros_like(track.values), track.rate) for track in release.tracks]
    blank[number] = release.tracks[number]
    return replace(release, tracks=tuple(blank))


def _all_shifts(pairs: Sequence[Sequence[FilmTrace]], rate: float, every: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """For each window of each pair of tracks, or each `every`th, its best places; 0: of shorter windows besides."""
    sizes = (_WINDOW_S,) if every else (_WINDOW_S, _WINDOW_S / 2)
    found = [
        _window_shifts(one.stretched(rate), other, max(every, 1), size_s) for one, other in pairs for size_s in sizes
    ]
    return np.concatenate([shifts for shifts, _ in found]), np.concatenate([scores for _, scores in found])


def _window_shifts(old: FilmTrace, new: FilmTrace, every: int, size_s: float) -> tuple[np.ndarray, np.ndarray]:
    """For each window of one track its best places in the other: shifts in seconds and likenesses, each [N]."""
    size, hop = int(size_s * old.rate), int(_HOP_S * old.rate) * every
    size = min(size, len(old.values), len(new.values))
    if size < 2 * old.rate:
        return np.zeros(0), np.zeros(0)
    values = np.ascontiguousarray(new.values.T, np.float32)  # a column after the other, as the transform reads them
    length = 1 << (values.shape[1] + size).bit_length()
    spectrum = np.fft.rfft(values, length)
    before = np.concatenate([[0.0], np.cumsum(np.square(values).sum(axis=0), dtype=np.float64)])
    energy = before[size:] - before[:-size]
    shifts, scores = [], []
    last = max(len(old.values) - size, 0)
    for start in sorted({*range(0, last + 1, hop), last}):
        window = np.ascontiguousarray(old.values[start : start + size].T, np.float32)
        own = float(np.square(window).sum())
        if own < 1e-3 * size or np.ptp(window, axis=1).max() < 1e-3:  # silence, or black
            continue
        product = np.einsum("dn,dn->n", spectrum, np.fft.rfft(window, length).conj())
        alike = np.fft.irfft(product, length)[: len(energy)] / np.sqrt(np.maximum(own * energy, 1e-3 * own * own))
        for _ in range(_PEAKS):
            at = int(alike.argmax())
            shifts.append((at - start) / old.rate)
            scores.append(float(alike[at]))
            alike[max(0, at - int(old.rate)) : at + int(old.rate)] = -1
    return np.array(shifts), np.array(scores)


def _agreement(shifts: np.ndarray, scores: np.ndarray) -> float:
    """How much the windows agree: the likenesses of those whose shift another window has, to a tenth of a second."""
    if not len(shifts):
        return 0.0
    order = np.argsort(shifts)
    shifts, scores = shifts[order], np.maximum(scores[order], 0) ** 2
    first, last = np.searchsorted(shifts, shifts - 0.1), np.searchsorted(shifts, shifts + 0.1)
    total = np.concatenate([[0.0], np.cumsum(scores)])
    return float((scores * np.sqrt(np.maximum(total[last] - total[first] - scores, 0))).sum())


def _clustered(shifts: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The shifts that windows found, those within `_SAME_S` as one, by how much speaks for each."""
    weights, found, left = np.maximum(scores, 0) ** 2, list[float](), np.ones(len(shifts), bool)
    order = np.argsort(shifts)
    shifts, weights = shifts[order], weights[order]
    while left.any() and len(found) < _MOST_SHIFTS:
        total = np.concatenate([[0.0], np.cumsum(weights * left)])
        near = total[np.searchsorted(shifts, shifts + 0.1)] - total[np.searchsorted(shifts, shifts - 0.1)]
        best = int(np.where(left, near, -1).argmax())
        if near[best] <= 0.1:
            break
        around = left & (np.abs(shifts - shifts[best]) <= 0.1)
        found.append(float(np.average(shifts[around], weights=np.maximum(weights[around], 1e-9))))
        left &= np.abs(shifts - shifts[best]) > _SAME_S
    return np.array(found)


# Which shift where


def _followed(old: Release, new: Release, rate: float, shifts: np.ndarray) -> list[Piece]:
    """The pieces that the best of these shifts make at each step of the film."""
    evidence = _evidence(old, new, rate, shifts)
    chosen = _once_each(_best_path(evidence), evidence, rate, shifts)
    return [exact(piece, old, new) for piece in _pieces(chosen, shifts, rate, old)]


def _evidence(old: Release, new: Release, rate: float, shifts: np.ndarray) -> np.ndarray:
    """How much speaks for each shift at each step of the film, and last for none: float [T, S + 1]."""
    steps = max(1, int(old.duration_ms / 1000 * STEP_HZ))
    times = (np.arange(steps) + 0.5) / STEP_HZ
    evidence = np.zeros((steps, len(shifts)), np.float32)
    inside = (times[:, None] * rate + shifts >= 0) & (times[:, None] * rate + shifts < new.duration_ms / 1000)
    for one, other in zip(old.tracks, new.tracks, strict=True):
        slow = one.slowed(_COARSE_HZ), other.slowed(_COARSE_HZ)
        alike = np.stack([_likeness(*slow, times, rate, shift) for shift in shifts], axis=1)
        alike = np.where(inside, alike, np.nan)
        with np.errstate(all="ignore"):
            judge = _judge(alike)
        evidence += np.nan_to_num(judge.evidence(alike))
    evidence = np.where(inside, evidence, -1.5)
    return np.concatenate([evidence, np.zeros((steps, 1), np.float32)], axis=1)


def _likeness(old: FilmTrace, new: FilmTrace, times: np.ndarray, rate: float, shift: float) -> np.ndarray:
    """float [T]: how alike two tracks are around each time, if what is there in one lies at time * rate + shift in the
    other; NaN where there is nothing to compare."""
    fine = np.arange(times[0], times[-1] + 1 / STEP_HZ, 1 / max(old.rate, STEP_HZ))
    mine, theirs = old.at(fine), new.at(fine * rate + shift)
    size = max(1, round(_AROUND_S * max(old.rate, STEP_HZ)))
    both = running_mean(np.stack([(mine * theirs).sum(1), (mine * mine).sum(1), (theirs * theirs).sum(1)], 1), size)
    most = np.maximum(both[:, 1], both[:, 2])
    floor = 0.02 * float(np.median(most)) + 1e-6
    alike = np.where(most > floor, both[:, 0] / np.sqrt(np.maximum(both[:, 1] * both[:, 2], floor * floor)), np.nan)
    places = np.clip(np.searchsorted(fine, times), 0, len(fine) - 1)
    return np.asarray(alike[places])


def _judge(alike: np.ndarray) -> _Judge:
    """From the likenesses [T, S] at all shifts: what is best at most times is the same, what is usual is not."""
    known = ~np.isnan(alike)
    if not known.any() or alike.shape[1] == 0:
        return _Judge(0.0, 0.0)
    rows = known.any(axis=1)
    best = np.nanmax(alike[rows], axis=1)
    usual = np.nanmedian(alike) if alike.shape[1] > 2 else min(0.3, float(np.nanmedian(best)) / 2)
    return _Judge(float(np.median(best)), float(min(usual, np.median(best))))


def _best_path(evidence: np.ndarray) -> np.ndarray:
    """The column of each row [T, S + 1] on the path of most evidence, where a change of column costs `_CHANGE`; the
    last column, for which nothing speaks, stands for none and comes out as -1."""
    steps, states = evidence.shape
    came_from = np.zeros((steps, states), np.int32)
    value = evidence[0].copy()
    for step in range(1, steps):
        leader = int(value.argmax())
        switch = value[leader] - _CHANGE
        stay = value >= switch
        came_from[step] = np.where(stay, np.arange(states), leader)
        value = np.where(stay, value, switch) + evidence[step]
    path = np.zeros(steps, int)
    path[-1] = int(value.argmax())
    for step in range(steps - 1, 0, -1):
        path[step - 1] = came_from[step, path[step]]
    return np.where(path == states - 1, -1, path)


def _once_each(chosen: np.ndarray, evidence: np.ndarray, rate: float, shifts: np.ndarray) -> np.ndarray:
    """The same, with every moment of the other release taken once: by the run of steps for which more speaks there.

    Two scenes in one place look alike, so a scene that was left out is easily found in what comes before or after it.
    """
    chosen = chosen.copy()
    runs = _runs(chosen)
    for (first, second), (third, fourth) in itertools.combinations(runs, 2):
        one, other = chosen[first], chosen[third]
        if one < 0 or other < 0:
            continue
        mine = _theirs(np.arange(first, second), rate, shifts[one])
        theirs = _theirs(np.arange(third, fourth), rate, shifts[other])
        low, high = max(mine[0], theirs[0]), min(mine[-1], theirs[-1])
        if low > high:
            continue
        both = (mine >= low) & (mine <= high), (theirs >= low) & (theirs <= high)
        speaks = evidence[first:second, one][both[0]].sum(), evidence[third:fourth, other][both[1]].sum()
        if speaks[0] >= speaks[1]:
            chosen[third:fourth][both[1]] = -1
        else:
            chosen[first:second][both[0]] = -1
    return chosen


def _theirs(steps: np.ndarray, rate: float, shift: float) -> np.ndarray:
    """The steps of the other release, int [N], that steps of the film lie in at a shift."""
    return np.asarray(np.floor(((steps + 0.5) / STEP_HZ * rate + shift) * STEP_HZ), int)


def _runs(chosen: np.ndarray) -> list[tuple[int, int]]:
    """First and last (exclusive) of each run of one number."""
    edges = [0, *(np.flatnonzero(np.diff(chosen)) + 1).tolist(), len(chosen)]
    return list(itertools.pairwise(edges))


def _pieces(chosen: np.ndarray, shifts: np.ndarray, rate: float, old: Release) -> list[Piece]:
    """The stretches of one shift each, in order."""
    found = []
    for first, last in _runs(chosen):
        start_ms = round(first * 1000 / STEP_HZ)
        end_ms = old.duration_ms if last == len(chosen) else round(last * 1000 / STEP_HZ)
        if chosen[first] >= 0 and end_ms > start_ms:
            shift_ms = 1000 * float(shifts[chosen[first]])
            found.append(Piece(Span(start_ms, end_ms), round_half_up(start_ms * rate + shift_ms), rate))
    return found
