"""What an edit makes of cues: the changes themselves, before anything is stored.

A person's words obey the rules of an import (`human_words`): new words are a person's and approved, unless somebody has
marked the cue as needing work; new times approve nothing; the mark by which the film pauses goes with a model's words.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from calvin.core.errors import UsageError
from calvin.core.text_tables import counted
from calvin.core.time import Span, format_timecode, round_half_up
from calvin.core.types import Author, Cue, CueKind, Status
from calvin.media.gaps import PlanSettings
from calvin.studio.edit.edits import Replace, SetTimes, Split
from calvin.studio.edit.rows import FilmPart
from calvin.studio.project.table_rows import MAX_MS, MAX_TEXT
from calvin.studio.script.human_words import Change, reworded
from calvin.studio.script.writers import printable

_BIT = 0.25
"""How far from the middle of its words, as a share of what it is about, a cue is parted at a cut."""


@dataclass
class Work:
    """What is to be done: the step's name, what happens in words, and the key to go on with (None: found afterwards).

    `handed_on` are comments that go over to the cue `heir`. `room`: what happened is told with the room that is left.
    """

    what: str
    said: str
    changes: list[Change]
    focus: str | None = None
    handed_on: list[int] = field(default_factory=list)
    heir: str = ""
    room: bool = True

    @property
    def real(self) -> list[Change]:
        return [change for change in self.changes if change.before != change.after]


def words_of(text: str) -> str:
    """A person's words as they are stored.

    Raises:
        UsageError: there are none, or too many.
    """
    words = printable(text)
    if not words:
        raise UsageError("A cue needs words: write some, or delete the cue.")
    if len(words) > MAX_TEXT:
        raise UsageError(f"{len(words)} characters are too long to speak: keep a cue under {MAX_TEXT}.")
    return words


def with_words(cue: Cue, text: str) -> Cue:
    """A cue with a person's words. A pause of the film stays where a person has agreed to it."""
    new = reworded(cue, words_of(text))
    return replace(new, extended=cue.extended and cue.settled) if new is not cue else cue


def moved(cue: Cue, span: Span, part: FilmPart) -> Cue:
    """A cue at another time. What it is about stays, but goes along where a person only said when it is spoken."""
    if span.end_ms > MAX_MS:
        raise UsageError("No film lasts a hundred hours: give an earlier time.")
    if cue.author is not Author.HUMAN or cue.visual != cue.span or part.place_of(cue) is not None:
        return replace(cue, span=span)
    event = cue.event_ms + span.start_ms - cue.span.start_ms
    return replace(cue, span=span, visual=span, event_ms=min(max(event, span.start_ms), span.end_ms))


def by(cue: Cue, by_ms: int) -> Span:
    """The span of a cue later by so much, but not before the film begins."""
    start = max(0, cue.span.start_ms + by_ms)
    return Span(start, start + cue.span.duration_ms)


def by_frames(cue: Cue, frames: int, rate: float) -> Span:
    """The span of a cue from the beginning of the frame that lies so many frames after the one it begins in.

    Args:
        rate: frames per second.
    """
    # A frame's time is rounded to milliseconds, so that one which begins at it belongs to it.
    own = int(((cue.span.start_ms + 0.5) * rate) // 1000)
    start = round_half_up(max(0, own + frames) * 1000 / rate)
    return by(cue, start - cue.span.start_ms)


def timed(cue: Cue, edit: SetTimes) -> Span:
    """The span that somebody asks for.

    Raises:
        UsageError: it would end before it begins.
    """
    start = cue.span.start_ms if edit.start_ms is None else edit.start_ms
    end = cue.span.end_ms if edit.end_ms is None else edit.end_ms
    if edit.end_ms is None and end <= start:
        end = start + cue.span.duration_ms
    # A cue for which the film pauses may be an instant.
    if end < start or (end == start and not cue.extended):
        raise UsageError(
            f"The end, {format_timecode(end)}, has to lie after the start, {format_timecode(start)}: "
            "set the start first, or a later end."
        )
    return Span(start, end)


def parted(cue: Cue, edit: Split, part: FilmPart, shots: Sequence[Span]) -> tuple[Cue, Cue]:
    """A cue as two.

    The second begins where it is asked to, else after the first has had its share of the time. What the cue is about
    is parted too, at a cut where one is near.

    Raises:
        UsageError: one of the two would have no words, or the time is not inside the cue.
    """
    at = character_of(cue.text, edit.at)
    first, second = printable(cue.text[:at]), printable(cue.text[at:])
    if not first or not second:
        raise UsageError("There are no words on one side: put the cursor between the words that are to be parted.")
    span = cue.span
    lengths = part.spoken.ms(first), part.spoken.ms(second)
    share = lengths[0] / sum(lengths)
    middle = span.start_ms + round(span.duration_ms * share) if edit.at_ms is None else edit.at_ms
    inside = span.start_ms < middle < span.end_ms
    if edit.at_ms is not None and not inside:
        raise UsageError(f"{format_timecode(middle)} is not inside the cue: choose a time between its start and end.")
    own, other = with_words(cue, first), with_words(cue, second)
    before, after = Span(span.start_ms, middle), Span(middle, span.end_ms)
    seen = (before, after) if cue.visual == span else _seen(cue.visual, share, shots)
    events = [cue.event_ms if each.start_ms <= cue.event_ms < each.end_ms else each.middle_ms for each in seen]
    return (
        replace(own, span=before, visual=seen[0], event_ms=events[0]),
        replace(other, id="", span=after, visual=seen[1], event_ms=events[1]),
    )


def _seen(visual: Span, share: float, shots: Sequence[Span]) -> tuple[Span, Span]:
    point = visual.start_ms + round(visual.duration_ms * share)
    cuts = sorted({edge for shot in shots for edge in (shot.start_ms, shot.end_ms)})
    near = cuts[bisect_left(cuts, visual.start_ms + 1) : bisect_left(cuts, visual.end_ms)]
    near = [cut for cut in near if abs(cut - point) <= _BIT * visual.duration_ms]
    middle = min(near, key=lambda cut: abs(cut - point), default=point)
    return Span(visual.start_ms, middle), Span(middle, visual.end_ms)


def joined(cue: Cue, following: Cue) -> Cue:
    """Two cues as one: the first, which says and shows all that both did."""
    span = Span(cue.span.start_ms, max(cue.span.end_ms, following.span.end_ms))
    visual = Span(min(cue.visual.start_ms, following.visual.start_ms), max(cue.visual.end_ms, following.visual.end_ms))
    work = Status.NEEDS_WORK in (cue.status, following.status)
    paused = any(each.extended and each.settled for each in (cue, following))
    both = with_words(cue, f"{cue.text} {following.text}")
    status = Status.NEEDS_WORK if work else both.status
    return replace(both, span=span, visual=visual, status=status, extended=paused)


def copied(cue: Cue) -> Cue:
    """The same cue once more right behind itself, for a person to write in."""
    span = Span(cue.span.end_ms, cue.span.end_ms + cue.span.duration_ms)
    return replace(cue, id="", span=span, author=Author.HUMAN, status=Status.DRAFT)


def inserted(start_ms: int, text: str, part: FilmPart) -> Cue:
    """A person's cue that begins at a time and lasts as long as its words take."""
    words = words_of(text)
    span = Span(start_ms, start_ms + part.spoken.ms(words))
    return Cue("", span, words, span, start_ms, Author.HUMAN, Status.APPROVED, kind=CueKind.PICTURE)


def room_to_write(start_ms: int, part: FilmPart, plan: PlanSettings) -> Span:
    """The time from `start_ms` on that is free, as much of it as one cue takes; in dialogue, what a short cue takes.

    Raises:
        UsageError: a cue is spoken there.
    """
    there = [cue for cue in part.cues if cue.span.start_ms <= start_ms < max(cue.span.end_ms, cue.span.start_ms + 1)]
    if there:
        raise UsageError(f"A cue is spoken at {format_timecode(start_ms)} already: choose a time in a gap.")
    room = min(part.room_ms(start_ms) or plan.min_cue_ms, plan.max_cue_ms)
    following = min((cue.span.start_ms for cue in part.cues if cue.span.start_ms > start_ms), default=start_ms + room)
    return Span(start_ms, min(start_ms + room, following))


def replacements(cues: Sequence[Cue], edit: Replace) -> list[Change]:
    """Other words for some wherever they stand: a person's words from then on, but approved only if they were.

    Nobody has read each of the sentences that come of it.

    Raises:
        UsageError: a cue would have no words any more, or too many; or the text does not begin at a place that the edit
            names.
    """
    pattern = pattern_of(edit.text, edit.case, edit.whole_word)
    places = None if edit.at is None else {*edit.at}
    there = {
        (f"cue-{cue.id}", unit_of(cue.text, match.start())) for cue in cues for match in pattern.finditer(cue.text)
    }
    if places is not None and not places <= there:
        raise UsageError("A cue reads otherwise since this was found: find it again, and nothing else is replaced.")
    found = []
    for cue in cues:

        def words(match: re.Match[str], cue: Cue = cue) -> str:
            place = f"cue-{cue.id}", unit_of(cue.text, match.start())
            return edit.with_ if places is None or place in places else match[0]

        if not pattern.search(cue.text):
            continue
        new = printable(pattern.sub(words, cue.text))
        if not new:
            raise UsageError(f"cue-{cue.id} would have no words any more: delete it, or leave it out.")
        if new != cue.text:
            found.append(Change(cue, replace(cue, text=words_of(new), author=Author.HUMAN)))
    return found


def pattern_of(text: str, case: bool, whole_word: bool) -> re.Pattern[str]:
    """What finds a text, to the letter."""
    plain = re.escape(text)
    if whole_word:
        plain = rf"(?<!\w){plain}(?!\w)"
    return re.compile(plain, 0 if case else re.IGNORECASE)


def character_of(text: str, unit: int) -> int:
    """The character at an offset in units of UTF-16; one inside a character counts as its beginning."""
    return len(text.encode("utf-16-le", "surrogatepass")[: 2 * unit].decode("utf-16-le", "ignore"))


def unit_of(text: str, character: int) -> int:
    """The offset in units of UTF-16 of a character."""
    return len(text[:character].encode("utf-16-le", "surrogatepass")) // 2


def approvals(cues: Sequence[Cue], choice: str) -> Work:
    """Approving cues as they are."""
    changes = [Change(cue, replace(cue, status=Status.APPROVED)) for cue in cues]
    real = sum(change.before != change.after for change in changes)
    return Work(
        choice or f"approval of {counted(real, 'cue')}", f"{counted(real, 'cue')} approved.", changes, room=False
    )
