"""Which of a script's events describe a film and which write down what is said in it, and in which language.

A document of DAPT may hold both, and each text in several languages (W3C DAPT, content descriptors and languages).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from calvin.core.errors import DataError
from calvin.media.languages import short_code
from calvin.media.timed_text import TimedCue

_ANY = ("", "und", "zxx", "mul", "mis")
"""Languages that say nothing of one's own."""
_SOUNDS = "audio.nonDialogueSounds"


class Parted(NamedTuple):
    """The texts of a script that describe, those that are spoken in the film, and sentences on what is neither."""

    described: list[TimedCue]
    spoken: list[TimedCue]
    notes: tuple[str, ...] = ()


def parted(cues: Iterable[TimedCue]) -> Parted:
    """What describes the film, what is said in it, and the rest: what says nothing of itself describes."""
    found = Parted([], [])
    sounds: list[TimedCue] = []
    unclear: list[TimedCue] = []
    for cue in cues:
        words = cue.event.represents.split()
        if all(_is(word, "visual") for word in words):
            found.described.append(cue)
        elif all(_is(word, _SOUNDS) for word in words):
            sounds.append(cue)
        elif all(_is(word, "audio") for word in words):
            found.spoken.append(cue)
        else:
            unclear.append(cue)
    notes = []
    if sounds:
        notes.append(f"Left out, because they stand for sounds ({_SOUNDS}): {_places(sounds)}.")
    if unclear:
        what = ", ".join(dict.fromkeys(cue.event.represents for cue in unclear))
        notes.append(f"Left out, because they neither describe nor are dialogue ({what}): {_places(unclear)}.")
    return found._replace(notes=tuple(notes))


def in_language(cues: Sequence[TimedCue], wanted: str) -> tuple[list[TimedCue], list[str]]:
    """The texts in one language, of each event the one that is nearest to it, and sentences on the others.

    Raises:
        DataError: there are none in it.
    """
    languages = list(dict.fromkeys(cue.event.language for cue in cues if cue.text and cue.event.language not in _ANY))
    several = any(len({cue.event.language for cue in event}) > 1 for event in _by_event(cues))
    if not languages or (not wanted and not several):
        return list(cues), []
    own = [one for one in languages if one.lower() == wanted.lower()]
    own = own or [one for one in languages if short_code(one) == short_code(wanted)][:1]
    if not own:
        raise DataError(f"its text stands in {', '.join(languages)}: name one of them by `--language`")
    kept = [cue for cue in cues if cue.event.language in (*own, *_ANY) or not cue.text]
    there = {cue.event.number for cue in kept}
    missing = [cue for cue in cues if cue not in kept and (not cue.event.number or cue.event.number not in there)]
    if not missing:
        return kept, []
    which = ", ".join(dict.fromkeys(cue.event.language for cue in missing))
    return kept, [f"Left out, because they stand in {which} alone, and not in {own[0]}: {_places(missing)}."]


def as_heard(cues: Sequence[TimedCue], wanted: str) -> list[TimedCue]:
    """What is said in a film, each event once: in the words that are heard, else in a language, else in the first."""
    return [min(event, key=lambda cue: _distance(cue, wanted)) for event in _by_event(cues)]


def _distance(cue: TimedCue, wanted: str) -> int:
    event = cue.event
    original = event.source and short_code(event.source) == short_code(event.language)
    return 0 if original else 1 if short_code(event.language) == short_code(wanted) else 2


def _by_event(cues: Sequence[TimedCue]) -> list[list[TimedCue]]:
    """The texts of each event and time: those in several languages stand together."""
    found: defaultdict[tuple[int, int], list[TimedCue]] = defaultdict(list)
    for at, cue in enumerate(cues):
        event = cue.event
        found[(event.number, cue.start_ms) if event.number else (-1 - at, 0)].append(cue)
    return list(found.values())


def _is(word: str, kind: str) -> bool:
    return word == kind or word.startswith(f"{kind}.")


def _places(cues: Sequence[TimedCue]) -> str:
    shown = ", ".join(f"{cue.where} ({cue.text[:40]})" for cue in cues[:5])
    return shown + (f" and {len(cues) - 5} more" if len(cues) > 5 else "")
