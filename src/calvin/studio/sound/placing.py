"""Where each voice goes in a mix, and where the film pauses for one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from calvin.core.time import Span
from calvin.media.sound.ducking import PlacedVoice
from calvin.media.sound.film_sound import Pause
from calvin.studio.project.status import SpokenCue
from calvin.studio.project.timing import rooms

_BREATH_MS = 100
"""The film goes on this long after the voice has ended."""


@dataclass
class Placement:
    """Where each voice goes in the output's time, and where the film pauses for it."""

    voices: list[PlacedVoice] = field(default_factory=list)
    spoken: list[SpokenCue] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)
    left_out: list[SpokenCue] = field(default_factory=list)
    late: list[SpokenCue] = field(default_factory=list)


def place_voices(spoken: Sequence[SpokenCue], dialogue: Iterable[Span], duration_ms: int, extended: bool) -> Placement:
    """Each voice at its cue's start. One that lasts longer than its room makes an extended version pause there.

    Otherwise all are said that are not marked as extended. One that would then be spoken over dialogue is left out, but
    not if a person wrote or approved it: it is spoken as it was placed. No voice is ever cut.
    """
    placed = Placement()
    if not extended:
        placed.left_out = [one for one in spoken if one.cue.extended]
        spoken = [one for one in spoken if not one.cue.extended]
    room = rooms([s.cue for s in spoken], dialogue, duration_ms)
    added = 0
    for one in sorted(spoken, key=lambda s: s.cue.span):
        start, has = one.cue.span.start_ms, room[one.cue.id]
        too_long = one.duration_ms > has
        if too_long and not extended and not one.cue.settled:
            placed.left_out.append(one)
            continue
        placed.voices.append(PlacedVoice(start + added, one.path, one.duration_ms, one.cue.id))
        placed.spoken.append(one)
        if too_long and extended:
            at = max(start, min(start + has, one.cue.span.end_ms))
            placed.pauses.append(Pause(at, one.duration_ms - (at - start) + _BREATH_MS))
            added += placed.pauses[-1].length_ms
        elif too_long:
            placed.late.append(one)
    return placed
