"""Pieces of a film in another release, laid to the frame: by sound, cuts and pictures, each as far as it is alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calvin.core.time import Span, round_half_up
from calvin.media.conform.change_list import Piece
from calvin.media.conform.tracks import FilmTrace, Release

_FINE_STEPS, _FINE_S = 25, 0.02
_CUT_MS = 350
_SNAP_MS = 1000
_SHORTEST_MS = 1000
_MEET_MS, _OVER_MS, _REACH_MS, _STEP_MS = 2000, 8000, 3000, 40


def exact(piece: Piece, old: Release, new: Release) -> Piece:
    """A piece moved by the fraction of a step by which it fits best: by sound, else by cuts, else by pictures.

    Stills are a fifth of a second apart, cuts are known to the frame.
    """
    picture, *sounds = zip(old.tracks, new.tracks, strict=True)
    for pair in sounds:
        moved_s = _finest(piece, *pair)
        if moved_s is not None:
            return piece.moved(moved_s * 1000)
    there = np.array(new.cuts_ms)
    offs = []
    for cut in old.cuts_ms:
        if piece.old.start_ms < cut < piece.old.end_ms and len(there):
            off = there - piece.carried(cut)
            offs.append(float(off[np.abs(off).argmin()]))
    offs = [off for off in offs if abs(off) <= _CUT_MS]
    if offs:
        return piece.moved(float(np.median(offs)))
    moved_s = _finest(piece, *picture)
    return piece if moved_s is None else piece.moved(moved_s * 1000)


def _finest(piece: Piece, one: FilmTrace, other: FilmTrace) -> float | None:
    """By how many seconds a piece has to be moved so that a track fits best; None where it does not fit anywhere."""
    times = np.arange(piece.old.start_ms / 1000, piece.old.end_ms / 1000, 1 / one.rate)
    mine = one.at(times)
    if len(times) < 2 * one.rate or float(np.abs(mine).max(initial=0)) < 1e-3:
        return None
    moves = np.arange(-_FINE_STEPS, _FINE_STEPS + 1)
    mapped = piece.there(times * 1000) / 1000
    fits = np.array([fit(mine, other.at(mapped + move * _FINE_S)) for move in moves])
    best = int(fits.argmax())
    if fits[best] < 0.5 or not 0 < best < len(moves) - 1:
        return None
    low, top, high = fits[best - 1 : best + 2]
    bend = low - 2 * top + high
    return float(moves[best] + (0.5 * (low - high) / bend if bend < 0 else 0.0)) * _FINE_S


def fit(mine: np.ndarray, theirs: np.ndarray) -> float:
    return float((mine * theirs).sum() / np.sqrt(max(float((mine**2).sum() * (theirs**2).sum()), 1e-9)))


def at_cuts(pieces: Sequence[Piece], old: Release, new: Release) -> list[Piece]:
    """Pieces whose ends lie where one of the releases cuts, if it does so near there."""
    found = []
    for number, piece in enumerate(pieces):
        start_ms, end_ms = piece.old.start_ms, piece.old.end_ms
        begins = number == 0 and (start_ms < _SHORTEST_MS or piece.start_ms < _SHORTEST_MS)
        if begins:
            start_ms = max(0, start_ms - round_half_up(max(piece.start_ms, 0) / piece.rate)) if start_ms else 0
        else:
            start_ms = _at_cut(start_ms, piece, old, new)
        ends = number == len(pieces) - 1 and (
            old.duration_ms - end_ms < _SHORTEST_MS or new.duration_ms - piece.carried(piece.old.end_ms) < _SHORTEST_MS
        )
        end_ms = old.duration_ms if ends else _at_cut(end_ms, piece, old, new)
        start_ms, end_ms = max(start_ms, 0), min(end_ms, old.duration_ms)
        if end_ms - start_ms >= _SHORTEST_MS:
            found.append(Piece(Span(start_ms, end_ms), piece.carried(start_ms), piece.rate))
    return found


def split(pieces: Sequence[Piece], old: Release, new: Release) -> list[Piece]:
    """Pieces that meet in one of the releases, each as far as it is the more alike, step by step.

    Where scenes on both sides are in one place, what is alike over seconds tells little of where one ends.
    """
    found = list(pieces)
    for at in range(len(found) - 1):
        first, second = found[at : at + 2]
        meet_ms = first.carried(first.old.end_ms)
        if -_OVER_MS <= second.start_ms - meet_ms <= _MEET_MS:  # scenes were left out between them
            times = _around(meet_ms, second.start_ms, second.start_ms + _REACH_MS)
            best = _best_split(*(_unlike(old, new, one.back(times), times) for one in (first, second)))
            ends, begins = (round_half_up(float(one.back(times[best]))) for one in (first, second))
        elif abs(second.old.start_ms - first.old.end_ms) <= _MEET_MS:  # scenes were put in
            times = _around(first.old.end_ms, second.old.start_ms, second.old.end_ms)
            best = _best_split(*(_unlike(old, new, times, one.there(times)) for one in (first, second)))
            ends = begins = round_half_up(float(times[best]))
        else:
            continue
        ends, begins = min(max(ends, 0), old.duration_ms), max(begins, 0)
        if ends - first.old.start_ms >= _SHORTEST_MS and second.old.end_ms - begins >= _SHORTEST_MS:
            found[at] = replace(first, old=Span(first.old.start_ms, ends))
            found[at + 1] = Piece(Span(begins, second.old.end_ms), second.carried(begins), second.rate)
    return found


def _around(first_ms: int, second_ms: int, last_ms: int) -> np.ndarray:
    """Times in ms around where two pieces meet."""
    low, high = min(first_ms, second_ms) - _REACH_MS, min(max(first_ms, second_ms) + _REACH_MS, last_ms)
    return np.arange(max(low, 0), max(high, low + _STEP_MS), _STEP_MS)


def _unlike(old: Release, new: Release, mine_ms: np.ndarray, theirs_ms: np.ndarray) -> np.ndarray:
    """float [N]: how unlike the releases are at each pair of times, by every track that is not blank there."""
    total = np.zeros(len(mine_ms))
    for one, other in zip(old.tracks, new.tracks, strict=True):
        mine, theirs = one.held(mine_ms / 1000), other.held(theirs_ms / 1000)
        if not mine.any() or not theirs.any():
            continue
        energy = float((mine**2).sum(axis=1).mean() + (theirs**2).sum(axis=1).mean())
        total += ((mine - theirs) ** 2).sum(axis=1) / max(energy, 1e-9)
    return total


def _best_split(before: np.ndarray, after: np.ndarray) -> int:
    """The step up to which the first, and from which the second is taken, with the least of both."""
    first = np.concatenate([[0.0], np.cumsum(before)])
    rest = np.concatenate([np.cumsum(after[::-1])[::-1], [0.0]])
    return min(int((first + rest).argmin()), len(before) - 1)


def _at_cut(ms: int, piece: Piece, old: Release, new: Release) -> int:
    """The cut near a time at which a piece ends: where scenes were left out or put in, the new release has one."""
    back = [round_half_up(cut) for cut in piece.back(new.cuts_ms).tolist()]
    for cuts in (back, old.cuts_ms):
        nearest = min(cuts, key=lambda cut: abs(cut - ms), default=ms)
        if abs(nearest - ms) <= _SNAP_MS:
            return nearest
    return ms


def apart(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces that share no time of the film, and none of the other release where their order is the same in both."""
    found: list[Piece] = []
    for piece in pieces:
        start_ms = max(piece.old.start_ms, found[-1].old.end_ms if found else 0)
        start_ms += max(0, round_half_up(-piece.carried(start_ms) / piece.rate))
        if piece.old.end_ms - start_ms >= _SHORTEST_MS:
            found.append(Piece(Span(start_ms, piece.old.end_ms), piece.carried(start_ms), piece.rate))
    return found
