"""What bringing a person's words into a project would change, as a plan that is shown before it is carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from calvin.core.text_tables import counted
from calvin.core.time import format_timecode
from calvin.core.types import Cue, DialogueLine
from calvin.media.languages import language_name
from calvin.media.timed_text import ScriptEvent
from calvin.studio.project.contents import ProgrammeClock
from calvin.studio.project.recordings import lasting
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.dapt import REPRESENTS
from calvin.studio.script.script_lines import ScriptLine
from calvin.studio.script.writers import status_words


@dataclass(frozen=True, slots=True)
class Change:
    """A cue as it is and as it would be: `before` None where it is new, `after` None where it would go.

    `line` says so, unless it is missing; `place_id` is the place that a new cue fills.
    """

    before: Cue | None
    after: Cue | None
    line: ScriptLine | None = None
    place_id: int | None = None

    def lines(self) -> list[str]:
        """The change for people, in words that can be heard as well as seen: what was, and what is then."""
        before, after = self.before, self.after
        if before is None or after is None:
            shown = after or before
            assert shown is not None
            what = f"Remove cue-{shown.id}" if before else "Add a cue"
            return [f"{what}, {times_in_words(shown)}", f"  {'- was' if before else '+ now'}: {shown.text}"]
        pairs = {"time": (times_in_words(before), times_in_words(after)), "kind": (before.kind, after.kind)}
        if before.text == after.text:  # a new text says by itself that it is a person's
            pairs["status"] = status_words(before), status_words(after)
        lines = [f"    {name} was: {was}, now: {now}" for name, (was, now) in pairs.items() if was != now]
        texts = [f"  - was: {before.text}", f"  + now: {after.text}"]
        same = [f"    text: {after.text}"]
        return [
            f"Change cue-{before.id}, {times_in_words(before)}",
            *lines,
            *(same if before.text == after.text else texts),
        ]


@dataclass(frozen=True, slots=True)
class WordsPlan:
    """What bringing words in would do: `steps` says of each line what becomes of its cue, also where nothing does.

    `name` is what people call the words, `notes` what to know about them. `language` is the script's, before and
    after, where it changes; `written` a file and its hash, which counts as written by calvin from then on; `what` is
    how people would call the step, if it is not an import. `clock` is how the words tell the time. `dialogue` is what
    the words write down of what is said in the film, in place of so many lines that are known (`dialogue_was`), and
    `events` what they say of a line's cue beyond its words (see `ScriptEvent`), by the place of its step.
    """

    name: str
    steps: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    language: tuple[str, str] | None = None
    written: tuple[Path, str] | None = None
    what: str = ""
    clock: ProgrammeClock | None = None
    dialogue: tuple[DialogueLine, ...] = ()
    dialogue_was: int = 0
    events: Mapping[int, ScriptEvent] = field(default_factory=dict)

    @property
    def changes_anything(self) -> bool:
        """Whether the project is another once it is carried out."""
        return bool(self.changes or self.language or self.dialogue or self.events)

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(step for step in self.steps if step.before != step.after)

    @property
    def unchanged(self) -> int:
        """How many cues are matched and stay as they are."""
        return sum(step.before is not None and step.before == step.after for step in self.steps)

    def lines(self) -> list[str]:
        """The plan for people."""
        shown = [line for change in self.changes for line in change.lines()]
        shown.append(f"{counted(len(self.changes), 'change')}, {self.unchanged} unchanged")
        if self.events:
            of = counted(len(self.events), "cue")
            shown.append(f"What DAPT says beside the words is kept of {of}: what is described, its language, remarks")
        if self.dialogue:
            was = f", in place of {self.dialogue_was}" if self.dialogue_was else ""
            shown.append(f"{counted(len(self.dialogue), 'line')} of dialogue{was}")
        names = [f"{language_name(code)} ({code})" for code in self.language or ()]
        return [*shown, f"Language was: {names[0]}, now: {names[1]}"] if names else shown


def with_dapt(store: ProjectStore, plan: WordsPlan, dialogue: Sequence[DialogueLine]) -> WordsPlan:
    """A plan with what a script of DAPT says beside the words, where the project does not know it yet."""
    known, events = store.events, {}
    for at, step in enumerate(plan.steps):
        if step.line is None or step.line.event is None or step.after is None:
            continue
        said = lasting(step.line.event)
        if said.represents == REPRESENTS[step.after.kind]:
            said = replace(said, represents="")
        if said != known.get(step.after.id, ScriptEvent()):
            events[at] = said
    before = store.dialogue
    new = tuple(dialogue) if list(dialogue) != before else ()
    notes = plan.notes
    if new and store.cues:
        notes = (*notes, "Cues that lie over dialogue by it are named by `calvin lint`.")
    return replace(plan, notes=notes, events=events, dialogue=new, dialogue_was=len(before))


def times_in_words(cue: Cue) -> str:
    """'00:00:01.000 - 00:00:02.500'."""
    return f"{format_timecode(cue.span.start_ms)} - {format_timecode(cue.span.end_ms)}"
