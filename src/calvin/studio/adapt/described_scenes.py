"""The scenes of a project that a person described: what a model is adapted to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calvin.core.errors import StoreError, UsageError
from calvin.core.prompts import clean_line
from calvin.core.text_tables import counted
from calvin.core.time import Span, format_timecode
from calvin.core.types import Cue, CueKind, Status
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import WordsPlan

LEAST = 2


@dataclass(frozen=True, slots=True)
class Described:
    """A scene as a person describes it; `where` is what messages call it."""

    visual: Span
    text: str
    where: str = ""


def _teaches(cue: Cue) -> bool:
    """Whether a model can learn from a cue: one that reads out the screen does not say what is seen."""
    return cue.status is Status.APPROVED and cue.kind is CueKind.PICTURE


def described_scenes(store: ProjectStore, plan: WordsPlan | None = None) -> tuple[list[Described], list[str]]:
    """The approved cues of a project and the scenes of planned corrections, in time order, and notes on them.

    If both describe one scene, the corrections count.

    Raises:
        StoreError: fewer than two.
    """
    approved = [_of(cue, f"cue-{cue.id} at") for cue in store.cues if _teaches(cue)]
    approved = [scene for scene in approved if scene.text]
    if plan is None:
        if len(approved) < LEAST:
            raise StoreError(
                f"{store.folder} has {counted(len(approved), 'approved cue')}, and adapting takes at least {LEAST}: "
                "`calvin pick` proposes scenes to correct; bring them back with `calvin import` or --corrections."
            )
        return approved, []
    scenes = [_of(s.after, f"{plan.name}: {s.line.where} at", s.line.span) for s in plan.steps if s.after and s.line]
    earlier = [one for one in approved if not any(_same_scene(one, scene) for scene in scenes)]
    if not scenes or len(scenes) + len(earlier) < LEAST:
        raise StoreError(
            f"{plan.name}: {counted(len(scenes), 'line')} with text; adapting takes at least {LEAST} described scenes."
        )
    return sorted([*scenes, *earlier], key=lambda scene: scene.visual), [*plan.notes, *_notes(plan, len(earlier))]


def _of(cue: Cue, where: str, span: Span | None = None) -> Described:
    return Described(cue.visual, clean_line(cue.text), f"{where} {format_timecode((span or cue.span).start_ms)}")


def _notes(plan: WordsPlan, earlier: int) -> list[str]:
    notes, corrections = [], counted(len(plan.steps), "correction")
    if earlier:
        notes.append(f"Learnt from {corrections} and {counted(earlier, 'cue')} approved before.")
    pairs = [(step.before, step.after) for step in plan.steps if step.before and step.after]
    kept = sum(before.text == after.text and not before.settled for before, after in pairs)
    if kept:
        notes.append(
            f"In {kept} of {corrections} the words are still the model's own: they count as approved, and are learnt "
            "like yours. Empty the text of a row to leave it out."
        )
    return notes


def _same_scene(one: Described, other: Described) -> bool:
    """Whether they are about the same stretch of film: they share more than half of the shorter one."""
    shorter = min(one.visual.duration_ms, other.visual.duration_ms)
    return one.visual == other.visual or 2 * one.visual.overlap_ms(other.visual) > shorter


def check_target(folder: Path) -> None:
    """Make sure that an adapter may be written to a folder.

    Raises:
        UsageError: the folder holds something other than an adapter.
    """
    if folder.exists() and not (folder / "calvin_adapter.json").is_file():
        raise UsageError(f"{folder} exists and is not an adapter folder: name another for the adapter with -o.")
