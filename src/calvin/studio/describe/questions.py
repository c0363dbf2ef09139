"""What a captioner that is asked in words is told and shown of a place: the stills, and what stands around it.

None of this reaches a CALVIN, whose prompts are those that it was trained with.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from calvin.captioners.base import Captioner, Licence, RemoteCaptioner, still_size
from calvin.captioners.people_names import words_of
from calvin.captioners.surroundings import BESIDE, Surroundings
from calvin.core.errors import MediaError
from calvin.core.progress import Listener
from calvin.core.time import Span
from calvin.core.types import FRAME_SIZE, LARGE_SIZE, DialogueLine, Frame, Place
from calvin.media.film.decode import LARGE, decode_large
from calvin.media.film.frames import FrameStore, shrunk
from calvin.media.film.sampling import fit
from calvin.media.film.source import FilmFacts
from calvin.media.languages import language_name
from calvin.studio.project.describe_settings import PromptSettings
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import FEWEST_WORDS, SpokenLength, words_in

LINES_BEFORE, LINES_AFTER = 4, 2
"""Lines of dialogue that are told: a scene answers to what was said last, and leads to what is said next."""
NEAR_MS = 30_000
"""Older and later dialogue belongs to something else."""
NEIGHBOUR_MS = 8000
"""How much of a neighbouring shot is shown, next to the scene: as much as a scene is long."""
MOST_STILLS = 32
"""Of a scene, for captioners that look at stills; how many of them it looks at is the captioner's affair."""
_WORTH = 1.25
"""By how much larger stills have to be to be worth making."""


def surroundings(
    store: ProjectStore, place: Place, prompt: PromptSettings, language: str, spoken: SpokenLength,
    licence: Licence | None, sight: Sight,
) -> Surroundings:  # fmt: skip
    """What stands around a place of a film.

    Args:
        licence: who may be named there; lines of others are told without the speaker's name. None: anybody.
        sight: where stills of neighbouring shots come from.
    """
    before, after = _dialogue(store.dialogue, place.span, licence) if prompt.dialogue else ((), ())
    shots, last, following = _shots(store.shots, place.visual)
    beside = prompt.neighbours
    return Surroundings(
        room_words=_room(place.span, language, spoken) if prompt.room else None,
        before=before,
        after=after,
        title=prompt.title,
        style=prompt.style,
        answer_in="" if language == "en" else language_name(language),
        shots=shots,
        previous=(lambda: sight.between(last)) if beside and last is not None else None,
        next=(lambda: sight.between(following)) if beside and following is not None else None,
    )


def _room(span: Span, language: str, spoken: SpokenLength) -> int | None:
    """How many words fit; None where the film pauses for them anyway."""
    words = words_in(span.duration_ms, language, spoken)
    return words if words is not None and words >= FEWEST_WORDS else None


def _dialogue(
    lines: Sequence[DialogueLine], gap: Span, licence: Licence | None
) -> tuple[tuple[DialogueLine, ...], tuple[DialogueLine, ...]]:
    """The last lines before a gap and the first ones after it, as far as their words are known."""
    known = [_unnamed(line, licence) for line in lines if line.text.strip()]
    before = [line for line in known if gap.start_ms - NEAR_MS < line.span.end_ms and line.span.start_ms < gap.start_ms]
    after = [line for line in known if gap.start_ms <= line.span.start_ms < gap.end_ms + NEAR_MS]
    return tuple(before[-LINES_BEFORE:]), tuple(after[:LINES_AFTER])


def _unnamed(line: DialogueLine, licence: Licence | None) -> DialogueLine:
    """A line without its speaker, where that is somebody who may not be named: what is read is said."""
    if not line.speaker or licence is None:
        return line
    may = {word.casefold() for name in licence.may for word in (name, *words_of(name))}
    return line if line.speaker.casefold() in may else DialogueLine(line.span, line.text)


def _shots(shots: Sequence[Span], visual: Span) -> tuple[int, Span | None, Span | None]:
    """In how many shots a scene lies, and what is shown before and after it: the shot that runs there, near to it."""
    starts = [shot.start_ms for shot in shots]
    first = max(bisect_right(starts, visual.start_ms) - 1, 0)
    end = max(bisect_right(starts, max(visual.end_ms - 1, visual.start_ms)), first + 1)
    last = following = None
    begin = bisect_right(starts, visual.start_ms - 1) - 1
    if shots and visual.start_ms > 0 and begin >= 0:
        last = Span(max(shots[begin].start_ms, visual.start_ms - NEIGHBOUR_MS), visual.start_ms)
    after = bisect_right(starts, visual.end_ms) - 1
    if shots and after >= 0 and visual.end_ms < shots[after].end_ms:
        following = Span(visual.end_ms, min(shots[after].end_ms, visual.end_ms + NEIGHBOUR_MS))
    return end - first, last, following


@dataclass(frozen=True, slots=True)
class Sight:
    """The stills that a captioner is shown, `size` pixels at most on the longer side (`FRAME_SIZE`: small ones as they
    are)."""

    frames: FrameStore
    size: int = FRAME_SIZE

    def between(self, span: Span, count: int = BESIDE) -> list[Frame]:
        """At most `count` stills of a span, spread evenly."""
        found = self.frames.frames_between(span, count)
        return found if self.size == FRAME_SIZE else [shrunk(frame, self.size) for frame in found]


def large_size(facts: FilmFacts, captioner: Captioner, prompt: PromptSettings) -> int | None:
    """The longer side of the large stills to keep for a captioner; None where it sees as much in the small ones."""
    wanted, width, height = wanted_size(captioner, prompt), facts.display_width, facts.display_height
    small = max(fit(width, height, FRAME_SIZE))
    return LARGE_SIZE if wanted > FRAME_SIZE and min(wanted, max(width, height)) > _WORTH * small else None


def sight_of(
    store: ProjectStore, facts: FilmFacts, small: FrameStore, captioner: Captioner, prompt: PromptSettings,
    listener: Listener,
) -> Sight:  # fmt: skip
    """What a captioner is shown of a film that is decoded; large stills are made now where they are not there.

    Raises:
        MediaError: the film cannot be read.
        ServerError: there is nobody to show them to.
    """
    size = large_size(facts, captioner, prompt)
    if size is None:
        return Sight(small, prompt.still_size)
    try:
        large = FrameStore.open(store.folder / "frames" / LARGE)
    except MediaError:
        if isinstance(captioner, RemoteCaptioner):
            captioner.ready(listener)
        large = decode_large(facts, store.folder / "frames", size, listener)
    return Sight(large, wanted_size(captioner, prompt))


def wanted_size(captioner: Captioner, prompt: PromptSettings) -> int:
    """The longer side, in pixels, of the stills that a captioner is shown where the film has such."""
    own = still_size(captioner)
    return FRAME_SIZE if own is None else max(FRAME_SIZE, min(own, prompt.still_size))
