"""What can be read in a puppet film: signs in its shots, letters, and cards that say when or where it goes on.

All of it is drawn from a generator of its own and added to a film that is there already, so films without writing stay
as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from calvin.puppets.tell.screenplay import Card, Film, Line, Scene, Sign, pick, rng_for

INTERTITLE_MS, LETTER_MS = 2600, 5000
SIGN_SHARE, INSERT_SHARE = 0.45, 0.2
_LATER = (
    "Two days later", "The next morning", "That same night", "One year earlier", "Chapter Two", "Meanwhile",
    "Three weeks later", "A long time ago", "At midnight", "Part Three: The Return", "Somewhere in the north",
    "Winter, 1921",
)  # fmt: skip
_SIGNS: Mapping[str, tuple[str, ...]] = {
    "kitchen": ("Fresh Bread", "Soup of the Day", "Wash Your Hands", "Staff Only"),
    "bedroom": ("Home Sweet Home", "Do Not Disturb", "Room 12", "Good Night"),
    "library": ("Silence, please", "Reading Room", "History and Maps", "Closed on Monday"),
    "theatre": ("Tonight: The Storm", "Stage Door", "Sold Out", "Grand Opening"),
    "cave": ("Keep Out", "Danger of Death", "Beware of the Dragon", "No Way Through"),
    "station": ("Platform 4", "Tickets", "Way Out", "Trains to Harwich"),
    "garden": ("Keep off the Grass", "Rose Garden", "Beware of the Dog", "Please Close the Gate"),
    "beach": ("No Swimming", "Boats for Hire", "Ice Cream", "Pier Closed"),
    "forest": ("Private Road", "Beware of Bears", "Old Mill 2 miles", "No Hunting"),
    "street": ("Grand Hotel", "No Parking", "Baker Street", "For Sale"),
    "desert": ("Last Water", "Road Closed", "Camel Rides", "Oasis 9 miles"),
    "mountain": ("Summit Path", "Danger: Falling Rocks", "Cable Car", "Snow Lodge"),
}
_CAPITALS = 0.3
"""Share of signs that are in capitals."""
_NEWS = (
    ("meet me at the {place}", "tomorrow at noon."), ("the {prop} is hidden", "behind the {place}."),
    ("I know what you did", "in the {place}."), ("do not trust {other}.", "Burn this letter."),
    ("come home at once.", "Your brother is ill."),
)  # fmt: skip


def with_writing(film: Film) -> Film:
    """The film with signs in its shots, and letters and cards between them; all that comes later moves along."""
    rng = rng_for(film.seed, "writing", film.split)
    shots, inserts, signs, moved = list[Scene](), list[Card](), list[Sign](), list[tuple[int, int]]()
    shift = 0
    for number, shot in enumerate(film.shots):
        # What is said over a shot stays on it: the card comes where nobody speaks.
        start = shot.truth.start_ms
        free = all(not line.start_ms - 300 < start < line.end_ms + 300 for line in film.lines)
        if number and free and rng.random() < INSERT_SHARE:
            letter = rng.random() < 0.5
            length = LETTER_MS if letter else INTERTITLE_MS
            lines = _letter(film, rng) if letter else (pick(rng, _LATER),)
            inserts.append(Card(start + shift, start + shift + length, "letter" if letter else "intertitle", lines))
            shift += length
        moved.append((start, shift))
        shots.append(_later(shot, shift))
        if rng.random() < SIGN_SHARE:
            signs.append(_sign(number, shots[-1], rng))
    moved.append((film.cards[-1].start_ms, shift))
    spoken = tuple(_line_later(line, moved) for line in film.lines)
    cards = (film.cards[0], *(replace(c, start_ms=c.start_ms + shift, end_ms=c.end_ms + shift) for c in film.cards[1:]))
    return replace(film, shots=tuple(shots), cards=cards, lines=spoken, inserts=tuple(inserts), signs=tuple(signs))


def _later(shot: Scene, by_ms: int) -> Scene:
    truth = shot.truth
    times = {name: getattr(truth, name) + by_ms for name in ("start_ms", "end_ms", "event_ms")}
    return replace(shot, truth=replace(truth, **times))


def _line_later(line: Line, moved: list[tuple[int, int]]) -> Line:
    by_ms = max((shift for start, shift in moved if start <= line.start_ms), default=0)
    return replace(line, start_ms=line.start_ms + by_ms, end_ms=line.end_ms + by_ms)


def _letter(film: Film, rng: np.random.Generator) -> tuple[str, ...]:
    to, sender, other = (film.names[i % len(film.names)] for i in rng.permutation(max(3, len(film.names)))[:3])
    truth = pick(rng, film.shots).truth
    first, second = (part.format(place=truth.place, prop=truth.prop or "key", other=other) for part in pick(rng, _NEWS))
    return f"Dear {to},", first, second, f"Yours, {sender}"


def _sign(number: int, shot: Scene, rng: np.random.Generator) -> Sign:
    truth = shot.truth
    text = pick(rng, _SIGNS[truth.place])
    if rng.random() < _CAPITALS:
        text = text.upper()
    words = text.split()
    half = (len(words) + 1) // 2
    lines = (text,) if len(text) < 16 else (" ".join(words[:half]), " ".join(words[half:]))
    size = float(rng.uniform(2.8, 3.8)) if len(lines) == 1 else float(rng.uniform(2.4, 2.9))
    x, y = float(rng.uniform(34, 78)), float(rng.uniform(49, 51))
    return Sign(number, truth.start_ms, truth.end_ms, lines, x, y, size, int(rng.integers(6)))
