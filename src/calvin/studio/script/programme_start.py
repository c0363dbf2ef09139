"""Scripts whose times count from the start of a programme, such as 10:00:00:00, instead of that of the film's file.

Television delivers programmes that begin at 10:00:00:00 or 01:00:00:00, with what is needed before: bars, a clock, a
pause. A describer's script then counts as the programme does, and the film's file often begins with the programme.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from calvin.core.errors import UsageError
from calvin.core.text_tables import counted
from calvin.core.time import Span, format_timecode
from calvin.media.timecode import MAX_RATE, FrameCount, Programme, start_ms
from calvin.studio.project.contents import ProgrammeClock
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.script_lines import ScriptText, refusal
from calvin.studio.script.script_tables import HOUR_MS

_SLACK_MS = 2000
"""A last cue may end so long after its film, whose stated length is not always that of its sound."""
_DAY_HOURS = 24


class FilmLength(NamedTuple):
    """What of a film decides where a script begins: its length, and the time code that its file states ("": none)."""

    duration_ms: int
    starts_at: str = ""


def from_programme_start(
    name: str, text: ScriptText, film: FilmLength, known: ProgrammeClock, starts_at: str | None = None
) -> tuple[ScriptText, ProgrammeClock]:
    """A script in the film's own time, and the clock that it was read by.

    Where its times lie beyond the film, the start is the one known of the project, else the code that the film's file
    states, else the whole hour from which they fit.

    Args:
        name: what people call the script.
        starts_at: the code of the film's first frame; None: found out, if it has to be.

    Raises:
        UsageError: `starts_at` is no time code.
        StoreError: a line lies before that start, or no line within the film.
    """
    clock = known.changed(rate=text.frames.name) if text.frames else known
    spans = _spans(text)
    if text.programme is not None:
        start, rate = text.programme.starts_at, text.programme.count.name
        clock = clock.changed(starts_at=starts_at or start, rate=rate)
        if not spans or _fits(text, 0, film):
            return text, clock
    if starts_at is not None:
        begin = start_ms(starts_at, text.frames)
        early = next((line for line in text.lines if line.span.start_ms < begin), None)
        first = min(_spans(text), default=Span(begin, begin)).start_ms
        if first < begin:
            where = f"{early.where if early else 'dialogue'}, at {format_timecode(first)},"
            raise refusal(name, f"{where} is before the start of the programme, {starts_at}")
        return _earlier(text, begin), clock.changed(starts_at=starts_at if begin else "")
    if not spans or _fits(text, 0, film):
        return text, clock
    hours = min(min(spans).start_ms // HOUR_MS, _DAY_HOURS)
    whole = [f"{hour:02d}:00:00:00" for hour in range(hours, 0, -1)]
    for code in filter(None, (known.starts_at, film.starts_at, *whole)):
        begin = _read_start(code, text.frames)
        if begin and _fits(text, begin, film):
            note = (
                f"The times of {name} were taken to count from {code}, where the programme starts: as they stand they "
                f"lie beyond the end of the film, {format_timecode(film.duration_ms)}. `--starts-at` names another."
            )
            moved = _earlier(text, begin)
            return moved._replace(notes=(*moved.notes, note)), clock.changed(starts_at=code)
    beyond = [line for line in text.lines if line.span.start_ms >= film.duration_ms]
    if len(beyond) == len(text.lines) and all(line.span.start_ms >= film.duration_ms for line in text.dialogue):
        raise refusal(
            name,
            f"all its times lie beyond the end of the film, {format_timecode(film.duration_ms)}: name the time code of "
            "the film's first frame by --starts-at, or the film that it belongs to",
        )
    if not beyond:
        return text, clock
    inside, far = text.lines[0], max(beyond, key=lambda line: line.span)
    if inside not in beyond and far.span.start_ms >= film.duration_ms + HOUR_MS // 2:
        times = [format_timecode(line.span.start_ms) for line in (inside, far)]
        raise refusal(
            name,
            f"{inside.where}, at {times[0]}, and {far.where}, at {times[1]}, cannot count from one start, and the film "
            f"ends at {format_timecode(film.duration_ms)}: write all times alike",
        )
    which = f"{counted(len(beyond), 'line')} of {name} {'lies' if len(beyond) == 1 else 'lie'}"
    note = f"{which} beyond the end of the film, {format_timecode(film.duration_ms)}: the first is {beyond[0].where}."
    return text._replace(notes=(*text.notes, note)), clock


def programme_of(clock: ProgrammeClock, film_rate: float | None) -> Programme | None:
    """The programme's own time, in which files are to be written; None where they tell the film's.

    Raises:
        UsageError: nothing says how many frames there are in a second.
    """
    if not clock.frames:
        return None
    if not clock.rate and not 1 <= (film_rate or 0) <= MAX_RATE:
        raise UsageError("How many frames a second has is not known of this film: name it, as in --frame-rate 25.")
    count = FrameCount.named(clock.rate) if clock.rate else FrameCount.of(film_rate or 25)
    if ";" in clock.starts_at and count.may_drop:
        count = replace(count, drop=True)
    return Programme(count, clock.starts_at or "00:00:00:00")


def dated_programme(store: ProjectStore) -> Programme | None:
    """When the film begins by the programme's own time, for files that state it beside the film's; None: not known."""
    film, clock = store.film, store.clock
    rate = film.facts.get("frame_rate") if film else None
    if not (clock.frames or clock.starts_at) or not (clock.rate or 1 <= (rate or 0) <= MAX_RATE):
        return None
    try:
        programme = programme_of(clock.changed(frames=True), rate)
        return programme if programme and programme.code(0) else None
    except UsageError:  # a start that does not exist at this rate
        return None


def set_clock(
    store: ProjectStore, timecode: str | None = None, starts_at: str | None = None, rate: str | None = None
) -> None:
    """Keep how files are to tell the time from here on.

    Args:
        timecode: "smpte" or "media"; None: as before, but "smpte" where a start or a rate is named.

    Raises:
        UsageError: a start or a rate that is none, or that is of no use because times are the film's.
    """
    named = starts_at is not None or rate is not None
    if timecode == "media" and named:
        raise UsageError("--starts-at and --frame-rate are for --timecode smpte: media times are the film's own.")
    film, clock = store.film, store.clock
    if timecode or named:
        clock = clock.changed(frames=timecode != "media")
    if rate is not None:
        clock = clock.changed(rate=FrameCount.named(rate).name)
    if starts_at is not None:
        clock = clock.changed(starts_at=starts_at.strip())
    elif clock.frames and not clock.starts_at and film:
        clock = clock.changed(starts_at=str(film.facts.get("timecode", "")))
    programme = programme_of(clock, film.facts.get("frame_rate") if film else None)
    if programme is not None:
        start_ms(programme.starts_at, programme.count)  # before it is kept: refused if it is none
    if clock != store.clock:
        store.clock = clock


def _read_start(code: str, count: FrameCount | None) -> int:
    """The ms of a start that was found, 0 where it makes no sense at this rate."""
    try:
        return start_ms(code, count)
    except UsageError:
        return 0


def _fits(text: ScriptText, begin: int, film: FilmLength) -> bool:
    first, last = min(_spans(text)).start_ms, max(span.end_ms for span in _spans(text))
    return first >= begin and last - begin <= film.duration_ms + _SLACK_MS


def _spans(text: ScriptText) -> list[Span]:
    return [*(line.span for line in text.lines), *(line.span for line in text.dialogue)]


def _earlier(text: ScriptText, by_ms: int) -> ScriptText:
    def moved(span: Span) -> Span:
        return Span(span.start_ms - by_ms, span.end_ms - by_ms)

    lines = [replace(line, span=moved(line.span)) for line in text.lines]
    return text._replace(lines=lines, dialogue=tuple(replace(line, span=moved(line.span)) for line in text.dialogue))
