"""Edits carried out: each is one step of the project, checked against the version that the person saw, undone whole."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from calvin.core.errors import StoreError, UsageError
from calvin.core.text_tables import counted
from calvin.core.time import Span, format_timecode
from calvin.core.types import Author, Cue, CueKind, Place, Status
from calvin.studio.edit import cue_changes, edits
from calvin.studio.edit.cue_changes import Work
from calvin.studio.edit.outcome import Outcome, StaleCue, muted_in_words, overlap_in_words, room_in_words, watched
from calvin.studio.edit.rows import FilmPart, Row, version_of
from calvin.studio.project.contents import Choice, Decision
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import Change
from calvin.studio.script.script_files import project_plan
from calvin.studio.script.writers import printable


def apply(store: ProjectStore, edit: edits.Edit) -> Outcome:
    """Make an edit, as one step that can be undone. One that changes nothing makes no step.

    Files to which the script was exported are not renewed: a person edits many times a minute.

    Raises:
        StaleCue: the cue is another than the one the person saw; nothing is changed.
        UsageError: the edit cannot be made; the sentence says why.
        StoreError: there is no such cue, place or comment, or the project cannot be written.
    """
    if isinstance(edit, edits.Insert) and not printable(edit.text):
        return _insert_place(store, edit)
    if isinstance(edit, edits.AddComment | edits.CloseComment):
        return _comment(store, edit)
    if isinstance(edit, edits.Restore):
        return _restore(store, edit)
    return _carried_out(store, _work(store, edit))


def undo(store: ProjectStore) -> Outcome:
    """Take back the last step that stands, whoever made it: an edit, an import, a new description.

    Raises:
        StoreError: there is none.
    """
    return _turned(store, undone=False)


def redo(store: ProjectStore) -> Outcome:
    """Do the step again that was undone last.

    Raises:
        StoreError: there is none, or something was done since.
    """
    return _turned(store, undone=True)


def _turned(store: ProjectStore, undone: bool) -> Outcome:
    spans: list[Span] = []
    whole = False
    for table, key, state in store.turning(undone):
        if table in ("cue", "plan"):
            spans += store.times_of_row(table, key)
            if state:
                spans.append(Span(state["start_ms"], state["end_ms"]))
                spans.append(Span(state["visual_start_ms"], state["visual_end_ms"]))
        elif table in ("recording", "event"):
            spans += store.times_of_row("cue", key)
        elif table == "comment":
            there = next((one for one in store.comments if str(one.id) == key), None)
            cues = {str(state["cue_id"]) if state else "", there.cue_id if there else ""} - {""}
            spans += [span for cue_id in cues for span in store.times_of_row("cue", cue_id)]
        else:
            whole = True
    with watched(store, spans, whole) as outcome:
        step = store.redo() if undone else store.undo()
    count = len(outcome.changed) + len(outcome.removed)
    own = [row for row in outcome.changed if ("cue", row.cue) in step.rows or ("plan", str(row.place)) in step.rows]
    outcome.said = f"{'Done again' if undone else 'Undone'}: {step.what}. {counted(count, 'row')} changed."
    outcome.focus = own[0].key if own else outcome.focus
    return outcome


def _carried_out(store: ProjectStore, work: Work) -> Outcome:
    real = work.real
    if not real and not work.handed_on:
        after, before = store.next_steps
        return Outcome(said="Nothing changed.", undo=after, redo=before, focus=work.focus)
    states = [cue for change in real for cue in (change.before, change.after) if cue is not None]
    spans = [span for cue in states for span in (cue.span, cue.visual)]
    made: list[str] = []
    with watched(store, spans) as outcome:
        with store.step(work.what):
            for change in real:
                if change.after is None:
                    assert change.before is not None
                    store.delete_cue(change.before.id)
                elif change.before is None:
                    made.append(store.add_cue(change.after, change.place_id).id)
                else:
                    store.edit_cue(change.after)
                if change.after is not None:
                    store.close_plans(change.after.span, "A person described it.")
            if work.handed_on:
                store.move_comments(work.handed_on, work.heir)
        outcome.focus = f"cue-{made[-1]}" if made else work.focus
    said = _said(store, work.said, outcome) if work.room else work.said
    outcome.said = " ".join(filter(None, [said, muted_in_words(outcome)]))
    return outcome


def _said(store: ProjectStore, what: str, outcome: Outcome) -> str:
    """What happened, with the room that is left in the row to go on with."""
    row = next((row for row in outcome.changed if row.key == outcome.focus), None)
    if row is None or row.cue is None:
        return what
    overlap = overlap_in_words(FilmPart(store, Span(row.start_ms, row.end_ms)), row.cue)
    return " ".join(filter(None, [what, room_in_words(row), overlap]))


def _work(store: ProjectStore, edit: edits.Edit) -> Work:
    """What an edit asks for, before anything is stored."""
    if isinstance(edit, edits.WritePlace):
        return _write(store, edit)
    if isinstance(edit, edits.Insert):
        part = FilmPart(store, Span(edit.start_ms, edit.start_ms))
        cue = cue_changes.inserted(edit.start_ms, edit.text, part)
        at = format_timecode(edit.start_ms)
        return Work(f"new cue at {at}", f"New cue at {at}.", [Change(None, cue)])
    if isinstance(edit, edits.Approve):
        return _approve(store, edit)
    if isinstance(edit, edits.Replace):
        return _replace(store, edit)
    assert isinstance(edit, edits.OnCue)
    cue = _checked(store, edit.key, edit.version, edit.text if isinstance(edit, edits.SetText) else "")
    return _work_on(edit, store, cue)


def _checked(store: ProjectStore, key: str, version: str | None, mine: str = "") -> Cue:
    """
    Raises:
        StaleCue: it is another by now, or gone.
    """
    try:
        cue = store.cue(key.removeprefix("cue-"))
    except StoreError:
        raise StaleCue(mine, None) from None
    if version is not None and version != version_of(cue):
        raise StaleCue(mine, _row(store, cue))
    return cue


def _row(store: ProjectStore, cue: Cue) -> Row:
    [row] = FilmPart(store, cue.span).rows({f"cue-{cue.id}"}, linted=True)
    return row


def _write(store: ProjectStore, edit: edits.WritePlace) -> Work:
    times = store.times_of_row("plan", str(edit.place))
    if not times:
        raise StoreError(f"There is no place {edit.place} in this project.")
    part = FilmPart(store, times[0])
    place = next(one for one in part.places if one.id == edit.place)
    if all(one.id != place.id for one in part.empty):
        there = next((cue for cue in part.cues if part.place_of(cue) == place.id or place.taken_by(cue)), None)
        raise StaleCue(edit.text, _row(store, there) if there else None)
    span = part.free(place)
    words = cue_changes.words_of(edit.text)
    cue = Cue("", span, words, place.visual, place.event_ms, Author.HUMAN, Status.APPROVED)
    at = format_timecode(span.start_ms)
    return Work(f"words for the place at {at}", "Written.", [Change(None, cue, place_id=place.id)])


def _approve(store: ProjectStore, edit: edits.Approve) -> Work:
    if edit.key is not None:
        cue = _checked(store, edit.key, edit.version)
        work = cue_changes.approvals([cue], f"approval of cue-{cue.id}")
        following = store.next_unapproved(cue)
        work.said = "Approved." if following else "Approved. No cue after it is left to approve."
        work.focus = f"cue-{following}" if following else edit.key
        return work
    if edit.keys is None:
        raise UsageError('Say which cues to approve: `key`, `keys`, or "all".')
    if edit.keys != "all":
        return cue_changes.approvals([_checked(store, key, None) for key in dict.fromkeys(edit.keys)], "")
    cues = store.cues
    marked = sum(cue.status is Status.NEEDS_WORK for cue in cues)
    work = cue_changes.approvals([cue for cue in cues if cue.status is not Status.NEEDS_WORK], "")
    if marked:
        verb = "stays" if marked == 1 else "stay"
        work.said += f" {counted(marked, 'cue')} marked as needing work {verb} so."
    return work


def _replace(store: ProjectStore, edit: edits.Replace) -> Work:
    wanted = None if edit.keys is None else {*edit.keys}
    if edit.at is not None:
        wanted = {key for key, _ in edit.at if wanted is None or key in wanted}
    cues = [cue for cue in store.cues if wanted is None or f"cue-{cue.id}" in wanted]
    changes = cue_changes.replacements(cues, edit)
    count = counted(len(changes), "cue")
    focus = f"cue-{changes[0].before.id}" if len(changes) == 1 and changes[0].before else None
    return Work(f'"{edit.text}" replaced in {count}', f"Replaced in {count}.", changes, focus)


@singledispatch
def _work_on(edit: edits.OnCue, store: ProjectStore, cue: Cue) -> Work:
    """What an edit asks for of a cue."""
    raise NotImplementedError(edit.op)


@_work_on.register
def _text(edit: edits.SetText, store: ProjectStore, cue: Cue) -> Work:
    after = cue_changes.with_words(cue, edit.text)
    return Work(f"text of cue-{cue.id}", "Text changed.", [Change(cue, after)], edit.key)


def _moved(store: ProjectStore, cue: Cue, span: Span) -> Work:
    after = cue_changes.moved(cue, span, FilmPart(store, cue.span))
    by = span.start_ms - cue.span.start_ms
    said = f"Times {format_timecode(span.start_ms)} to {format_timecode(span.end_ms)}."
    if by and span.duration_ms == cue.span.duration_ms:
        said = f"{_by_in_words(by)}, at {format_timecode(span.start_ms)}."
    return Work(f"times of cue-{cue.id}", said, [Change(cue, after)], f"cue-{cue.id}")


def _by_in_words(by_ms: int) -> str:
    return f"{abs(by_ms) / 1000:g} s {'later' if by_ms > 0 else 'earlier'}"


@_work_on.register
def _times(edit: edits.SetTimes, store: ProjectStore, cue: Cue) -> Work:
    return _moved(store, cue, cue_changes.timed(cue, edit))


@_work_on.register
def _nudge(edit: edits.Nudge, store: ProjectStore, cue: Cue) -> Work:
    return _moved(store, cue, cue_changes.by(cue, edit.by_ms))


@_work_on.register
def _nudge_frame(edit: edits.NudgeFrame, store: ProjectStore, cue: Cue) -> Work:
    rate = store.bound_film().facts.get("frame_rate")
    if not isinstance(rate, int | float) or not 1 <= rate <= 1000:
        raise UsageError("The film's frame rate is not known: move the cue by milliseconds.")
    return _moved(store, cue, cue_changes.by_frames(cue, edit.frames, rate))


@_work_on.register
def _shift_following(edit: edits.ShiftFollowing, store: ProjectStore, cue: Cue) -> Work:
    first = (cue.span, int(cue.id))
    following = [one for one in store.cues if (one.span, int(one.id)) >= first]
    by = max(edit.by_ms, -min(one.span.start_ms for one in following))
    part = FilmPart(store)
    changes = [Change(one, cue_changes.moved(one, cue_changes.by(one, by), part)) for one in following]
    count = counted(len(changes), "cue")
    return Work(f"{count} from cue-{cue.id} on moved", f"{count} {_by_in_words(by)}.", changes, edit.key)


@_work_on.register
def _split(edit: edits.Split, store: ProjectStore, cue: Cue) -> Work:
    one, other = cue_changes.parted(cue, edit, FilmPart(store, cue.span), store.shots)
    return Work(f"cue-{cue.id} parted", "Parted in two.", [Change(cue, one), Change(None, other)])


@_work_on.register
def _merge(edit: edits.Merge, store: ProjectStore, cue: Cue) -> Work:
    cues = FilmPart(store, cue.span).cues
    order = [one.id for one in cues].index(cue.id)
    if order + 1 == len(cues):
        raise UsageError("This is the last cue: there is none after it to merge with.")
    following = cues[order + 1]
    if edit.next_version is not None and edit.next_version != version_of(following):
        raise StaleCue("", _row(store, following))
    both = cue_changes.joined(cue, following)
    work = Work(
        f"cue-{cue.id} and cue-{following.id} joined",
        "Joined with the next cue.",
        [Change(cue, both), Change(following, None)],
        edit.key,
    )
    work.handed_on = [one.id for one in store.comments if one.cue_id == following.id]
    work.heir = cue.id
    return work


@_work_on.register
def _duplicate(edit: edits.Duplicate, store: ProjectStore, cue: Cue) -> Work:
    return Work(f"copy of cue-{cue.id}", "Copied.", [Change(None, cue_changes.copied(cue))])


@_work_on.register
def _delete(edit: edits.Delete, store: ProjectStore, cue: Cue) -> Work:
    return Work(f"removal of cue-{cue.id}", "Cue removed.", [Change(cue, None)])


@_work_on.register
def _extended(edit: edits.SetExtended, store: ProjectStore, cue: Cue) -> Work:
    what = "film pauses for" if edit.on else "no pause of the film for"
    said = "" if edit.on else "The film does not pause for it."
    return Work(f"{what} cue-{cue.id}", said, [Change(cue, replace(cue, extended=edit.on))], edit.key)


@_work_on.register
def _kind(edit: edits.SetKind, store: ProjectStore, cue: Cue) -> Work:
    after = replace(cue, kind=CueKind(edit.kind))
    return Work(f"kind of cue-{cue.id}", f"Kind: {edit.kind}.", [Change(cue, after)], edit.key)


@_work_on.register
def _status(edit: edits.SetStatus, store: ProjectStore, cue: Cue) -> Work:
    after = replace(cue, status=Status(edit.status))
    words = edit.status.replace("-", " ")
    return Work(f"status of cue-{cue.id}", f"Status: {words}.", [Change(cue, after)], edit.key)


@_work_on.register
def _choose(edit: edits.Choose, store: ProjectStore, cue: Cue) -> Work:
    offered = store.candidates(cue.id)
    if edit.number > len(offered):
        raise UsageError(f"There are {counted(len(offered), 'candidate')} for this cue: choose one of them.")
    text = cue_changes.words_of(offered[edit.number - 1])
    authors = [past.author for past in store.history(cue.id) if past.author is not Author.HUMAN]
    author = authors[-1] if authors else Author.MODEL
    after = replace(cue, text=text, author=author, status=Status.APPROVED, extended=cue.extended and text == cue.text)
    said = f"Candidate {edit.number} of {len(offered)} chosen and approved."
    return Work(f"candidate {edit.number} of cue-{cue.id}", said, [Change(cue, after)], edit.key)


def _insert_place(store: ProjectStore, edit: edits.Insert) -> Outcome:
    """A place to write in, where nothing stands yet: no cue without words comes into the script."""
    if edit.start_ms >= store.bound_film().duration_ms:
        raise UsageError("The film is over by then: choose an earlier time.")
    part = FilmPart(store, Span(edit.start_ms, edit.start_ms))
    span = cue_changes.room_to_write(edit.start_ms, part, project_plan(store))
    at = format_timecode(edit.start_ms)
    with watched(store, [span]) as outcome, store.step(f"new place at {at}"):
        decision = Decision(Choice.WANTED, "A person wants to write here.")
        number = store.add_place(Place(span, span, span.start_ms), decision)
        outcome.focus = f"place-{number}"
    row = next(row for row in outcome.changed if row.key == outcome.focus)
    outcome.said = f"New place at {at}. {room_in_words(row)}"
    over = part.talked_over(span)
    outcome.said += " It lies over dialogue." * bool(over)
    return outcome


def _comment(store: ProjectStore, edit: edits.AddComment | edits.CloseComment) -> Outcome:
    words = cue_changes.words_of(edit.text) if isinstance(edit, edits.AddComment) else ""
    if isinstance(edit, edits.AddComment):
        cue_id = _checked(store, edit.key, None, edit.text).id
        what, said = f"comment on cue-{cue_id}", "Comment added."
    else:
        cue_id = store.comment(edit.id).cue_id
        what = f"comment on cue-{cue_id} {'dealt with' if edit.done else 'opened again'}"
        said = "Comment dealt with." if edit.done else "Comment opened again."
    spans = store.times_of_row("cue", cue_id)
    with watched(store, spans, whole=not spans) as outcome, store.step(what):
        if isinstance(edit, edits.AddComment):
            store.add_comment(cue_id, words)
        else:
            store.close_comment(edit.id, edit.done)
        outcome.focus = f"cue-{cue_id}" if spans else None
    outcome.said = said
    return outcome


def _restore(store: ProjectStore, edit: edits.Restore) -> Outcome:
    cue_id = edit.key.removeprefix("cue-")
    spans = store.times_of_row("cue", cue_id)
    if spans:
        _checked(store, edit.key, edit.version)
    past = store.history(cue_id)
    if edit.number > len(past) or not past[edit.number - 1].text:
        known = ", ".join(str(number) for number, one in enumerate(past, 1) if one.text)
        raise UsageError(f"{edit.key} has no such text to go back to: of its texts, choose {known}.")
    with watched(store, spans, whole=not spans) as outcome, store.step(f"text {edit.number} of {edit.key} again"):
        store.restore_cue(cue_id, past[edit.number - 1])
        outcome.focus = edit.key
    outcome.said = _said(store, f"Text {edit.number} is back and approved.", outcome)
    return outcome
