"""A person's words for scenes of a project: approved cues, a file or a list; checked before anything changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from calvin.core.errors import StoreError, SubtitleError, UsageError
from calvin.core.prompts import clean_line
from calvin.core.time import Span, format_timecode
from calvin.core.types import Author, Cue, Place, Status
from calvin.studio.project.store import MAX_TEXT, ProjectStore
from calvin.studio.script.human_words import match
from calvin.studio.script.script_lines import ScriptLine, read_script
from calvin.studio.script.writers.base import printable
from calvin.studio.script.writers.timed_text import plain

LEAST = 2

_IN_OTHER_WORDS = (
    ("The subtitles ", "The corrections "),
    ("The subtitle file ", "The corrections file "),
    ("no subtitle file: give SRT, VTT, ASS or TTML", "no corrections: give CSV, VTT, SRT or DAPT"),
    ("no film's subtitles", "no film's corrections"),
)
"""The reader is that of subtitles too, and speaks of these."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What should be said at a time of the film."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Described:
    """A scene as a person describes it; `cue` and `plan` are those that stand there, where there are any, and `where`
    names it to people."""

    visual: Span
    text: str
    cue: Cue | None = None
    plan: Place | None = None
    where: str = ""

    @property
    def as_it_stood(self) -> bool:
        """Whether the text is the cue's, but for what files cannot hold."""
        return self.cue is not None and _same_text(self.text, self.cue.text)


def approved_scenes(store: ProjectStore) -> list[Described]:
    """The approved cues of a project.

    Raises:
        StoreError: fewer than two.
    """
    found = _approved(store.cues)
    if len(found) < LEAST:
        raise StoreError(
            f"{store.folder} has {_count(len(found), 'approved cue')}, and adapting takes at least {LEAST}: "
            "`calvin pick` proposes scenes to correct; bring them back with `calvin import` or --corrections."
        )
    return found


def _approved(cues: Iterable[Cue]) -> list[Described]:
    found = [
        Described(cue.visual, clean_line(cue.text), cue, None, _at(f"cue-{cue.id}", cue.span))
        for cue in cues
        if cue.status is Status.APPROVED
    ]
    return [scene for scene in found if scene.text]


def corrected_scenes(
    store: ProjectStore, corrections: str | Path | Sequence[Correction]
) -> tuple[list[Described], list[str]]:
    """The scenes that corrections are about and those approved before, in time order, and what to know about them.

    Where both tell of one scene the corrections do. Nothing is changed.

    Raises:
        StoreError: a file that cannot be read; corrections that overlap, are about no scene of the project, or are
            fewer than two together with what is approved.
    """
    where, lines = _lines(corrections)
    cues = store.script().cues
    spoken = [line for line in lines if clean_line(line.text)]
    _check(where, spoken, {cue.id for cue in cues})
    # A correction tells of its moment: what happens to be said elsewhere in the same words is another scene.
    found = {
        line: cue
        for line, cue in match(cues, spoken)[0].items()
        if line.cue_id is not None or line.span.overlap_ms(cue.span)
    }
    scenes = [_scene(where, line, found.get(line), store.plans, cues) for line in spoken]
    first: dict[Span, ScriptLine] = {}
    for line, scene in zip(spoken, scenes, strict=True):
        other = first.setdefault(scene.visual, line)
        if other is not line:
            raise StoreError(f"{where}: {other.where} and {line.where} are about the same scene: keep one.")
    earlier = [one for one in _approved(cues) if not any(_same_scene(one, scene) for scene in scenes)]
    if not spoken or len(scenes) + len(earlier) < LEAST:
        raise StoreError(
            f"{where}: {_count(len(spoken), 'line')} with text; adapting takes at least {LEAST} described scenes."
        )
    notes = _notes(scenes, earlier, len(lines) - len(spoken))
    return sorted([*scenes, *earlier], key=lambda scene: scene.visual), notes


def _lines(corrections: str | Path | Sequence[Correction]) -> tuple[str, list[ScriptLine]]:
    """What to call them, and their lines in time order."""
    if not isinstance(corrections, str | Path):
        lines = [ScriptLine(c.text, c.span, f"number {number}") for number, c in enumerate(corrections, 1)]
        return "The corrections", sorted(lines, key=lambda line: line.span)
    try:
        return str(corrections), read_script(corrections)
    except SubtitleError as error:
        told = str(error)
        for theirs, ours in _IN_OTHER_WORDS:
            told = told.replace(theirs, ours)
        raise StoreError(told) from error


def _notes(scenes: Sequence[Described], earlier: Sequence[Described], blank: int) -> list[str]:
    notes = [f"{_count(blank, 'correction')} without text left out."] if blank else []
    if earlier:
        notes.append(
            f"Learnt from {_count(len(scenes), 'correction')} and {_count(len(earlier), 'cue')} approved before."
        )
    kept = sum(scene.as_it_stood and not (scene.cue and scene.cue.settled) for scene in scenes)
    if kept:
        notes.append(
            f"In {kept} of {_count(len(scenes), 'correction')} the words are still the model's own: they count as "
            "approved, and are learnt like yours. Empty the text of a row to leave it out."
        )
    return notes


def _same_scene(one: Described, other: Described) -> bool:
    """By cue, else by the film they are about: more than half of the shorter one's."""
    if one.cue and other.cue and one.cue.id == other.cue.id:
        return True
    shorter = min(one.visual.duration_ms, other.visual.duration_ms)
    return one.visual == other.visual or 2 * one.visual.overlap_ms(other.visual) > shorter


def _same_text(text: str, stood: str) -> bool:
    return text in (clean_line(stood), printable(stood), plain(printable(stood)))


def _at(name: str, span: Span) -> str:
    return f"{name} at {format_timecode(span.start_ms)}"


def _check(where: str, lines: Sequence[ScriptLine], known: set[str]) -> None:
    for line in lines:
        if line.cue_id is not None and line.cue_id not in known:
            raise StoreError(f"{where}: {line.where} corrects cue-{line.cue_id}, which this project does not have.")
        if len(line.text) > MAX_TEXT:
            raise StoreError(f"{where}: {line.where} has {len(line.text)} characters, too many to speak.")
    ids = [line.cue_id for line in lines if line.cue_id is not None]
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice is not None:
        raise StoreError(f"{where} corrects cue-{twice} twice: keep one of the lines.")
    for one, other in pairwise(lines):
        if one.span.overlap_ms(other.span):
            raise StoreError(
                f"{where}: {one.where} and {other.where} overlap at {format_timecode(other.span.start_ms)}: a moment "
                "can be described once only."
            )


def _scene(where: str, line: ScriptLine, cue: Cue | None, plans: Sequence[Place], cues: Sequence[Cue]) -> Described:
    text, name = clean_line(line.text), _at(f"{where}: {line.where}", line.span)
    if cue is not None:
        return Described(cue.visual, text, cue, None, name)
    shared, plan = max(
        ((plan.span.overlap_ms(line.span), plan) for plan in plans), key=lambda pair: pair[0], default=(0, None)
    )
    if plan is None or not shared:
        raise StoreError(
            f"{where}: {line.where} is about {format_timecode(line.span.start_ms)}, where this project has no scene."
        )
    cue = next((cue for cue in cues if cue.visual == plan.visual), None)
    return Described(plan.visual, text, cue, None if cue else plan, name)


def approve(store: ProjectStore, scenes: Sequence[Described]) -> None:
    """Put corrections into the project as a person's approved cues, all or none."""
    with store.together():
        for scene in scenes:
            if scene.cue is not None and scene.as_it_stood:
                store.edit_cue(replace(scene.cue, status=Status.APPROVED))
            elif scene.cue is not None:
                store.edit_cue(replace(scene.cue, text=scene.text, author=Author.HUMAN, status=Status.APPROVED))
            elif scene.plan is not None:
                plan = scene.plan
                span = free_part(plan.span, [cue.span for cue in store.cues]) or plan.span
                cue = Cue("", span, scene.text, plan.visual, plan.event_ms, Author.HUMAN, Status.APPROVED)
                store.add_cue(cue, plan.id)
                store.close_plans(plan.span, "A person described it.")


def free_part(place: Span, spoken: Iterable[Span]) -> Span | None:
    """The longest stretch of a place that no cue is spoken in (one may run on into the next place), or None."""
    pieces, at = [], place.start_ms
    for span in sorted(span for span in spoken if span.overlap_ms(place)):
        pieces.append(Span(at, max(at, span.start_ms)))
        at = max(at, span.end_ms)
    pieces.append(Span(at, max(at, place.end_ms)))
    longest = max(pieces, key=lambda piece: piece.duration_ms)
    return longest if longest.duration_ms else None


def check_target(folder: Path) -> None:
    """
    Raises:
        UsageError: the folder holds something other than an adapter.
    """
    if folder.exists() and not (folder / "calvin_adapter.json").is_file():
        raise UsageError(f"{folder} exists and is no adapter folder: name another for the adapter with -o.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
