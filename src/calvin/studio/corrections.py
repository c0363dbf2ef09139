"""A person's words for scenes of a project: approved cues, a file or a list; checked before anything changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from calvin.core.errors import StoreError, UsageError
from calvin.core.prompts import clean_line
from calvin.core.time import Span, format_timecode
from calvin.core.types import Author, Cue, Status
from calvin.studio.imports import match
from calvin.studio.readers import ScriptLine, read_script
from calvin.studio.rows import Plan
from calvin.studio.store import MAX_TEXT, ProjectStore

LEAST = 2


@dataclass(frozen=True, slots=True)
class Correction:
    """What should be said at a time of the film."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Described:
    """A scene as a person describes it; `cue` and `plan` are those that stand there, where there are any."""

    visual: Span
    text: str
    cue: Cue | None = None
    plan: Plan | None = None


def approved_scenes(store: ProjectStore) -> list[Described]:
    """The approved cues of a project.

    Raises:
        StoreError: fewer than two.
    """
    found = [Described(cue.visual, clean_line(cue.text), cue) for cue in store.cues if cue.status is Status.APPROVED]
    found = [scene for scene in found if scene.text]
    if len(found) < LEAST:
        raise StoreError(
            f"{store.folder} has {_count(len(found), 'approved cue')}, and adapting takes at least {LEAST}: "
            "`calvin pick` proposes scenes to correct; bring them back with `calvin import` or --corrections."
        )
    return found


def corrected_scenes(
    store: ProjectStore, corrections: str | Path | Sequence[Correction]
) -> tuple[list[Described], list[str]]:
    """The scenes that corrections are about, in time order, and what to know about them. Nothing is changed.

    Raises:
        StoreError: a file that cannot be read; corrections that overlap, are about no scene of the project, or are
            fewer than two.
    """
    if isinstance(corrections, str | Path):
        where, lines = str(corrections), read_script(corrections)
    else:
        where = "The corrections"
        lines = [ScriptLine(c.text, c.span, f"number {number}") for number, c in enumerate(corrections, 1)]
        lines.sort(key=lambda line: line.span)
    cues = store.script().cues
    spoken = [line for line in lines if clean_line(line.text)]
    if len(spoken) < LEAST:
        raise StoreError(f"{where}: {_count(len(spoken), 'line')} with text; adapting takes at least {LEAST}.")
    _check(where, spoken, {cue.id for cue in cues})
    found, _ = match(cues, spoken)
    scenes = [_scene(where, line, found.get(line), store.plans) for line in spoken]
    for one, other in pairwise(zip(spoken, scenes, strict=True)):
        if one[1].visual == other[1].visual:
            raise StoreError(f"{where}: {one[0].where} and {other[0].where} are about the same scene: keep one.")
    blank = len(lines) - len(spoken)
    return scenes, [f"{_count(blank, 'correction')} without text left out."] if blank else []


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


def _scene(where: str, line: ScriptLine, cue: Cue | None, plans: Sequence[Plan]) -> Described:
    text = clean_line(line.text)
    if cue is not None:
        return Described(cue.visual, text, cue)
    shared, plan = max(
        ((plan.span.overlap_ms(line.span), plan) for plan in plans), key=lambda pair: pair[0], default=(0, None)
    )
    if plan is None or not shared:
        raise StoreError(
            f"{where}: {line.where} is about {format_timecode(line.span.start_ms)}, where this project has no scene."
        )
    return Described(plan.visual, text, None, plan)


def approve(store: ProjectStore, scenes: Sequence[Described]) -> None:
    """Put corrections into the project as a person's approved cues, all or none."""
    with store.together():
        for scene in scenes:
            if scene.cue is not None:
                author = scene.cue.author if scene.cue.text == scene.text else Author.HUMAN
                store.edit_cue(replace(scene.cue, text=scene.text, author=author, status=Status.APPROVED))
            elif scene.plan is not None:
                plan = scene.plan
                cue = Cue("", plan.span, scene.text, plan.visual, plan.event_ms, Author.HUMAN, Status.APPROVED)
                store.add_cue(cue, plan.id)
                store.close_plans(plan.span, "A person described it.")


def check_target(folder: Path) -> None:
    """
    Raises:
        UsageError: the folder holds something other than an adapter.
    """
    if folder.exists() and not (folder / "calvin_adapter.json").is_file():
        raise UsageError(f"{folder} exists and is no adapter folder: name another for the adapter with -o.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
