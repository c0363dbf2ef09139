"""A person's words into a project: from a file or a list, as a plan of changes that is shown, then made as one step.

Two kinds come through this one door. An import follows the file: cues move with their lines, and a line whose text was
emptied on purpose removes its cue. Corrections approve: each describes one scene of the film, and every cue stays in
its place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from calvin.core.errors import StoreError
from calvin.core.files import file_sha256
from calvin.core.text_tables import counted, listed
from calvin.core.time import Span, format_timecode
from calvin.core.types import Author, Cue, CueKind, Place, Status
from calvin.media.languages import language_tag
from calvin.media.timecode import FrameCount
from calvin.media.timed_text import ScriptEvent
from calvin.studio.project.store import MAX_TEXT, ProjectStore
from calvin.studio.project.timing import free_part
from calvin.studio.script.line_match import match, same_times
from calvin.studio.script.open_places import open_places, placed, without_empty
from calvin.studio.script.programme_start import FilmLength, from_programme_start
from calvin.studio.script.script_files import Exported, remember_written, renew_exports
from calvin.studio.script.script_lines import ScriptLine, ScriptText, read_script, refusal
from calvin.studio.script.script_tables import HOUR_MS
from calvin.studio.script.text_formats import plain
from calvin.studio.script.words_plan import Change, WordsPlan, times_in_words, with_dapt
from calvin.studio.script.writers import OpenPlace, printable


@dataclass(frozen=True, slots=True)
class Correction:
    """What should be said at a time of the film."""

    span: Span
    text: str


_SLIP_MS = 1000
"""A cue that moves by whole hours, but for this much, was moved by a slip or a spreadsheet."""

Words = str | Path | Sequence[Correction]
"""A file that `read_script` reads, or a list."""


def plan_import(
    store: ProjectStore,
    words: Words,
    remove: bool = False,
    language: str | None = None,
    retime: bool = False,
    encoding: str | None = None,
    rate: str | None = None,
    starts_at: str | None = None,
    sheet: str | None = None,
) -> WordsPlan:
    """What importing words would change in a project.

    Args:
        remove: cues that the words do not hold go.
        language: the script's language from then on.
        retime: cues may move by whole hours, or all at once, which is else taken for a mistake.
        encoding: of the file; None: found out.
        rate: frames per second, such as 25 or 29.97df, by which times such as 00:00:01:12 are read; None: the film's.
        starts_at: the time code of the film's first frame; None: what the times themselves say.
        sheet: of a workbook; None: the only one that holds a script.

    Raises:
        StoreError: words that cannot be read or do not fit together.
        UsageError: there is no such language, rate, start or sheet.
    """
    tag = language_tag(language) if language else None
    script = store.script()
    source = Path(words) if isinstance(words, str | Path) else None
    # The hash is taken before the file is read: what is saved into it later was not imported.
    digest = file_sha256(source) if source and source.is_file() else ""
    name, text = _lines_of(words, "script", store, encoding, FrameCount.named(rate) if rate else None, tag or "", sheet)
    text, clock = from_programme_start(name, text, _length(store), store.clock, starts_at)
    places = open_places(store)
    if text.lines or not text.dialogue:
        plan = plan_lines(script.cues, without_empty(text.lines, places), remove, name, retime)
    else:
        plan = WordsPlan(name, ())  # what is said in the film says nothing of cues
    plan = replace(plan, steps=tuple(_into_place(step, places) for step in plan.steps))
    new = (script.language, tag) if tag and tag != script.language else None
    written = (source, digest) if source else None
    plan = replace(plan, notes=(*text.notes, *plan.notes), language=new, written=written, clock=clock)
    return with_dapt(store, plan, text.dialogue)


def _into_place(step: Change, places: Sequence[OpenPlace]) -> Change:
    """A new cue of a skeleton's row is about what the row is about."""
    if step.before is not None or step.after is None or step.line is None:
        return step
    cue, place_id = placed(step.after, step.line, places)
    return replace(step, after=cue, place_id=place_id)


def plan_lines(
    cues: Sequence[Cue],
    lines: Sequence[ScriptLine],
    remove: bool = False,
    name: str = "The script",
    retime: bool = False,
) -> WordsPlan:
    """Match lines with cues by id, else by time, and say what would change.

    What differs in its words becomes human and approved; what differs in its times alone is no more approved than
    before. A line whose text was emptied removes the cue with its id or its times. Cues that the lines do not hold
    stay, unless `remove`.

    Raises:
        StoreError: two lines carry one id, a line is too long to speak, or the times are not what a person means: moved
            by whole hours or all at once (unless `retime`), or without length.
    """
    _check(name, lines)
    found, notes = match(cues, lines)
    notes += [line.note for line in lines if line.note]
    steps = [Change(found.get(line), _edited(found.get(line), line), line) for line in lines]
    _check_times(name, steps, retime)
    blank = [step.line.where for step in steps if step.line and step.before is step.after is None]
    if blank:
        notes.append(f"Lines without text that belong to no cue are left out: {listed(blank)}.")
    matched = {cue.id for cue in found.values()}
    absent = [cue for cue in cues if cue.id not in matched]
    if absent and remove:
        steps += [Change(cue, None) for cue in absent]
    elif absent:
        one = len(absent) == 1
        what = "1 cue is not in the file and stays" if one else f"{len(absent)} cues are not in the file and stay"
        notes.append(f"{what}: {_named(absent)}; --remove takes {'it' if one else 'them'} out.")
    plan = WordsPlan(name, tuple(steps))
    return replace(plan, notes=(*notes, *_overlaps(cues, plan.changes)))


def plan_corrections(store: ProjectStore, words: Words) -> WordsPlan:
    """What approving a person's descriptions of scenes would change; lines without text are left out.

    A line is about the cue with its id, else one that it shares time with, else the place for a cue there.

    Raises:
        StoreError: words that cannot be read; that overlap, or are about no scene of the project.
    """
    name, text = _lines_of(words, "corrections", store)
    (lines, said, *_), _ = from_programme_start(name, text, _length(store), store.clock)
    cues, places = store.script().cues, store.plans
    spoken = [line for line in lines if printable(line.text)]
    _check(name, spoken, {cue.id for cue in cues})
    for one, other in pairwise(spoken):
        if one.span.overlap_ms(other.span):
            at = format_timecode(other.span.start_ms)
            raise refusal(
                name, f"{one.where} and {other.where} overlap at {at}, and a moment can be described only once"
            )
    # A correction is about its moment: what happens to be said elsewhere in the same words is another scene.
    found = {
        line: cue
        for line, cue in match(cues, spoken)[0].items()
        if line.cue_id is not None or line.span.overlap_ms(cue.span)
    }
    steps = [_corrected(name, line, found.get(line), places, cues) for line in spoken]
    first: dict[Span, ScriptLine] = {}
    for line, step in zip(spoken, steps, strict=True):
        assert step.after is not None
        other = first.setdefault(step.after.visual, line)
        if other is not line:
            raise refusal(name, f"{other.where} and {line.where} are about the same scene: keep one")
    blank = len(lines) - len(spoken)
    left_out = (f"{counted(blank, 'correction')} without text left out.",) if blank else ()
    return WordsPlan(name, tuple(steps), (*said, *left_out), what=f"corrections of {Path(name).name}")


def apply_plan(
    store: ProjectStore, plan: WordsPlan, more: Callable[[Mapping[int, str]], None] | None = None
) -> Exported:
    """Make the changes as one step that can be undone, all or none, and renew the script's files.

    Places still to be described that a person has filled are left to them.

    Args:
        more: called within the step with the id of the cue of each of the plan's steps, by its place.
    """
    ids: dict[int, str] = {}
    events: dict[str, ScriptEvent] = {}
    with store.step(plan.what or f"import of {Path(plan.name).name}"):
        for at, change in enumerate(plan.steps):
            cue = change.after
            if change.after != change.before:
                cue = _carry_out(store, change)
            if cue is not None:
                ids[at] = cue.id
            if cue is not None and at in plan.events:
                events[cue.id] = plan.events[at]
        store.keep_events(events)
        if more is not None:
            more(ids)
        if plan.dialogue:
            store.set_dialogue(plan.dialogue)
        if plan.language:
            store.set_language(plan.language[1])
        if plan.clock and plan.clock != store.clock:
            store.clock = plan.clock
        if plan.written:
            remember_written(store, *plan.written)
    return renew_exports(store)


def _carry_out(store: ProjectStore, change: Change) -> Cue | None:
    """Make a change; returns the cue as it is then, None where it went."""
    if change.after is None:
        assert change.before is not None
        store.delete_cue(change.before.id)
        return None
    cue = store.add_cue(change.after, change.place_id) if change.before is None else store.edit_cue(change.after)
    store.close_plans(change.after.span, "A person described it.")
    return cue


def plan_approval(store: ProjectStore, cue_ids: Sequence[str] | None = None) -> WordsPlan:
    """What approving cues as they are would change; None: all of them but those marked as needing work.

    Raises:
        StoreError: there is no such cue.
    """
    cues = store.script().cues if cue_ids is None else [store.cue(cue_id) for cue_id in dict.fromkeys(cue_ids)]
    marked = [cue for cue in cues if cue_ids is None and cue.status is Status.NEEDS_WORK]
    steps = tuple(Change(cue, replace(cue, status=Status.APPROVED)) for cue in cues if cue not in marked)
    plan = WordsPlan("The approval", steps)
    note = f"Marked as needing work and left so: {_named(marked)}; `calvin approve` with their names approves them."
    return replace(plan, what=f"approval of {counted(len(plan.changes), 'cue')}", notes=(note,) if marked else ())


def restore_text(store: ProjectStore, cue_id: str, number: int | None = None) -> tuple[Cue, Exported]:
    """Give a cue a text again that it had, approved, as one step; one that was removed comes back.

    Args:
        number: of the text, counted from 1 as `ProjectStore.history` lists them; None: the last that it does not have.

    Raises:
        StoreError: there never was such a cue, or no such text of it.
    """
    past = store.history(cue_id)
    present = past[-1].text
    if number is None:
        number = next((at for at in range(len(past), 0, -1) if past[at - 1].text not in ("", present)), 0)
    if not 1 <= number <= len(past) or not past[number - 1].text:
        known = ", ".join(str(at) for at, revision in enumerate(past, 1) if revision.text)
        raise StoreError(f"cue-{cue_id} has no such text to go back to: of its texts, choose {known}.")
    with store.step(f"text {number} of cue-{cue_id} again"):
        cue = store.restore_cue(cue_id, past[number - 1])
    renewed = renew_exports(store)
    return cue, replace(renewed, notes=(*renewed.notes, *_overlaps(store.cues, [Change(cue, cue)])))


def _lines_of(
    words: Words,
    what: str,
    store: ProjectStore,
    encoding: str | None = None,
    count: FrameCount | None = None,
    language: str = "",
    sheet: str | None = None,
) -> tuple[str, ScriptText]:
    """What people call the words, and their lines in time order."""
    if isinstance(words, str | Path):
        film_rate = store.film.facts.get("frame_rate") if store.film else None
        language = language or (store.film.language if store.film else "")
        return str(words), read_script(words, what, encoding, count, film_rate, language, sheet)
    lines = [ScriptLine(each.text, each.span, f"number {number}") for number, each in enumerate(words, 1)]
    return f"The {what}", ScriptText(sorted(lines, key=lambda line: line.span))


def _length(store: ProjectStore) -> FilmLength:
    film = store.film
    return FilmLength(film.duration_ms, str(film.facts.get("timecode", ""))) if film else FilmLength(0)


def _edited(before: Cue | None, line: ScriptLine) -> Cue | None:
    """The cue that a line of an import makes of another, or of nothing."""
    text = printable(line.text)
    if not text:
        return None
    if before is None:
        status, extended = line.status or Status.APPROVED, bool(line.extended)
        kind = line.kind or CueKind.PICTURE
        return Cue("", line.span, text, line.span, line.span.start_ms, Author.HUMAN, status, extended, kind)
    moved = before if same_times(before, line) else replace(before, span=line.span)
    if line.kind is not None and line.kind is not before.kind:
        moved = replace(moved, kind=line.kind)
    worded = reworded(moved, text)
    if worded is not moved:
        # The mark was the model's, on its own words; only one that was put there since is about the new ones.
        new = bool(line.extended) and (not before.extended or line.status is Status.APPROVED)
        status = Status.NEEDS_WORK if line.status is Status.NEEDS_WORK else worded.status
        return replace(worded, status=status, extended=new)
    if line.status is Status.DRAFT and before.author is Author.HUMAN:
        return moved  # the row is from before these words came in, and its status is that of others
    extended = before.extended if line.extended is None else line.extended
    return replace(moved, status=line.status or before.status, extended=extended)


def reworded(cue: Cue, text: str) -> Cue:
    """A cue with a person's words; the cue itself where they are its own, but for what files cannot hold.

    That it needs work is for a person to take back.
    """
    own = printable(cue.text)
    if text in (own, plain(own)):
        return cue
    status = Status.NEEDS_WORK if cue.status is Status.NEEDS_WORK else Status.APPROVED
    return replace(cue, text=text, author=Author.HUMAN, status=status, extended=False)


def _check_times(name: str, steps: Sequence[Change], retime: bool) -> None:
    """Refuse times that spreadsheets and slips of the hand make, before they move anything."""
    known = [s for s in steps if s.before and s.after and s.line and (s.line.cue_id or s.before.text == s.after.text)]
    shifts = []
    for step in known:
        before, after, line = step.before, step.after, step.line
        assert before is not None
        assert after is not None
        assert line is not None
        shift = after.span.start_ms - before.span.start_ms
        if after.span != before.span:
            shifts.append(shift)
            if not after.span.duration_ms:
                raise refusal(name, f"{line.where} gives cue-{before.id} no length: give it an end after its start")
        if retime or not shift:
            continue
        from_to = f"cue-{before.id} from {times_in_words(before)} to {times_in_words(after)}"
        if line.no_hours and before.span.start_ms >= HOUR_MS:
            raise refusal(name, f"{line.where} has no hours and would move {from_to}: write them, as in 01:02:03.500")
        off = (shift + HOUR_MS // 2) % HOUR_MS - HOUR_MS // 2
        if abs(shift) >= HOUR_MS // 2 and abs(off) <= max(line.within_ms, _SLIP_MS):
            raise refusal(
                name, f"{line.where} would move {from_to}, by whole hours: put its times right, or agree by --retime"
            )
    alike = len(set(shifts)) == 1 and shifts[0] != 0
    if not retime and len(shifts) == len(known) >= (2 if alike else 3):
        by = f" by {shifts[0] / 1000:+g} s" if alike else ""
        raise refusal(
            name, f"the times of all its {len(known)} cues would move{by}: put them right, or agree by --retime"
        )


def _corrected(name: str, line: ScriptLine, cue: Cue | None, places: Sequence[Place], cues: Sequence[Cue]) -> Change:
    """The cue that a line approves, or makes in a place that has none."""
    text, place = printable(line.text), None
    if cue is None:
        place = max(places, key=lambda place: place.span.overlap_ms(line.span), default=None)
        if place is None or not place.span.overlap_ms(line.span):
            at = format_timecode(line.span.start_ms)
            raise refusal(name, f"{line.where} is about {at}, where this project has no scene")
        cue = next((cue for cue in cues if cue.visual == place.visual), None)
    if cue is not None:
        return Change(cue, replace(reworded(cue, text), status=Status.APPROVED), line)
    assert place is not None
    span = free_part(place.span, [cue.span for cue in cues]) or place.span
    new = Cue("", span, text, place.visual, place.event_ms, Author.HUMAN, Status.APPROVED)
    return Change(None, new, line, place.id)


def _check(name: str, lines: Sequence[ScriptLine], known: Collection[str] | None = None) -> None:
    """Refuse lines that are too long to speak, ids that stand twice, and, where `known` are given, other ids."""
    seen: dict[str, ScriptLine] = {}
    for line in lines:
        if len(line.text) > MAX_TEXT:
            raise refusal(name, f"{line.where} has {len(line.text)} characters, too many to speak")
        if line.cue_id is None:
            continue
        if known is not None and line.cue_id not in known:
            raise refusal(name, f"{line.where} is for cue-{line.cue_id}, which this project does not have")
        first = seen.setdefault(line.cue_id, line)
        if first is not line:
            raise refusal(
                name, f"cue-{line.cue_id} stands twice, at {first.where} and {line.where}: keep one, or give one no id"
            )


def _overlaps(cues: Sequence[Cue], changes: Sequence[Change]) -> list[str]:
    """What would overlap once the changes were made, where at least one of the two is changed."""
    changed = {change.before.id: change.after for change in changes if change.before}
    new = [change.after for change in changes if change.after and not change.before]
    edited = [changed.get(cue.id, cue) for cue in cues]
    after = sorted([cue for cue in edited if cue] + new, key=lambda cue: cue.span)
    touched = [cue for cue in changed.values() if cue] + new
    pairs = [(a, b) for a, b in pairwise(after) if a.span.overlap_ms(b.span) and (a in touched or b in touched)]
    if not pairs:
        return []
    shown = ", ".join(f"{_called(a)} with {_called(b)}" for a, b in pairs[:3])
    more = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    return [f"Cues overlap and are kept as they are: {shown}{more}; `calvin lint` lists them."]


def _called(cue: Cue) -> str:
    return f"{f'cue-{cue.id}' if cue.id else 'a new cue'} ({times_in_words(cue)})"


def _named(cues: Sequence[Cue]) -> str:
    return listed([f"cue-{cue.id}" for cue in cues])
