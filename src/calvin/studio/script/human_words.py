"""An edited script back into its project: what is matched with what, what would change, and the change itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from calvin.core.errors import StoreError
from calvin.core.time import format_timecode
from calvin.core.types import Author, Cue, Status
from calvin.studio.project.store import MAX_TEXT, ProjectStore
from calvin.studio.script.script_lines import ScriptLine
from calvin.studio.script.writers.base import last_ms, printable
from calvin.studio.script.writers.timed_text import plain


@dataclass(frozen=True, slots=True)
class Change:
    """A cue as it is and as it would be: `before` None where it is new, `after` None where it would go."""

    before: Cue | None
    after: Cue | None

    def lines(self) -> list[str]:
        """The change for people: times once where they stay, old text, new text."""
        shown = self.after or self.before
        assert shown is not None
        mark = "+" if self.before is None else "-" if self.after is None else "~"
        head = f"{mark} {f'cue-{self.before.id}' if self.before else 'new'}  {_times(shown)}"
        if self.before and self.after and self.before.span != self.after.span:
            head += f"  (was {_times(self.before)})"
        if self.before and self.after and self.before.text == self.after.text:
            return [f"{head}  {self.after.status}", f"    {self.after.text}"]
        old = [f"  - {self.before.text}"] if self.before else []
        return [head, *old, *([f"  + {self.after.text}"] if self.after else [])]


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import would change, how many cues it leaves as they are, and what to know about it."""

    changes: tuple[Change, ...]
    unchanged: int
    notes: tuple[str, ...] = ()


def plan_import(cues: Sequence[Cue], lines: Sequence[ScriptLine], remove: bool = False) -> ImportPlan:
    """Match lines with cues by id, else by time, and say what would change.

    What differs in text or time becomes human and approved; a line whose text was emptied removes its cue. Cues that
    the file does not hold stay, unless `remove`.

    Raises:
        StoreError: two lines carry one id, or a line is too long to speak.
    """
    _check(lines)
    found, notes = match(cues, lines)
    changes, unchanged = [], 0
    for line in lines:
        before = found.get(line)
        after = _edited(before, line)
        if after == before:
            unchanged += before is not None
        else:
            changes.append(Change(before, after))
    matched = {cue.id for cue in found.values()}
    absent = [cue for cue in cues if cue.id not in matched]
    if absent and remove:
        changes += [Change(cue, None) for cue in absent]
    elif absent:
        what = "1 cue is" if len(absent) == 1 else f"{len(absent)} cues are"
        notes.append(f"{what} not in the file and stay: {_named(absent)}; --remove takes such out.")
    notes += _overlaps(cues, changes)
    return ImportPlan(tuple(changes), unchanged, tuple(notes))


def apply_import(store: ProjectStore, plan: ImportPlan) -> None:
    """Make the changes, all or none; places still to be described that a person has filled are left to them."""
    with store.together():
        for change in plan.changes:
            if change.after is None:
                assert change.before is not None
                store.delete_cue(change.before.id)
            elif change.before is None:
                store.add_cue(change.after)
            else:
                store.edit_cue(change.after)
            if change.after is not None:
                store.close_plans(change.after.span, "A person described it.")


def match(cues: Sequence[Cue], lines: Sequence[ScriptLine]) -> tuple[dict[ScriptLine, Cue], list[str]]:
    """The cue of each line that has one: by id, by the same times, by the same text, then by most shared time."""
    by_id = {cue.id: cue for cue in cues}
    found = {line: by_id[line.cue_id] for line in lines if line.cue_id in by_id}
    unknown = [line for line in lines if line.cue_id is not None and line.cue_id not in by_id]
    notes = []
    if unknown:
        ids = ", ".join(f"cue-{line.cue_id} ({line.where})" for line in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        notes.append(f"Ids that this project does not have, so matched by time or taken as new: {ids}{more}.")

    def rest() -> tuple[list[ScriptLine], list[Cue]]:
        used = {cue.id for cue in found.values()}
        return [line for line in lines if line not in found], [cue for cue in cues if cue.id not in used]

    for key in (_by_times, _by_text):
        free_lines, free_cues = rest()
        found.update(_alike(free_lines, free_cues, key))
    found.update(_by_overlap(*rest()))
    return found, notes


def _by_times(item: ScriptLine | Cue) -> object:
    return item.span.start_ms, last_ms(item) if isinstance(item, Cue) else item.span.end_ms


def _by_text(item: ScriptLine | Cue) -> object:
    return plain(printable(item.text))


def _alike(
    lines: Sequence[ScriptLine], cues: Sequence[Cue], key: Callable[[ScriptLine | Cue], object]
) -> Iterator[tuple[ScriptLine, Cue]]:
    """Pairs with one key that no other line and no other cue has."""
    of_lines, of_cues = Counter(map(key, lines)), Counter(map(key, cues))
    by_key = {key(cue): cue for cue in cues}
    for line in lines:
        if of_lines[key(line)] == of_cues[key(line)] == 1:
            yield line, by_key[key(line)]


def _by_overlap(lines: Sequence[ScriptLine], cues: Sequence[Cue]) -> dict[ScriptLine, Cue]:
    """Pairs that share at least half of the shorter one's time, most shared first."""
    pairs = []
    first = 0
    for i, line in enumerate(lines):
        while first < len(cues) and cues[first].span.end_ms <= line.span.start_ms:
            first += 1
        for j in range(first, len(cues)):
            if cues[j].span.start_ms >= line.span.end_ms:
                break
            shared = line.span.overlap_ms(cues[j].span)
            if 2 * shared >= min(line.span.duration_ms, cues[j].span.duration_ms) > 0:
                pairs.append((-shared, i, j))
    found: dict[ScriptLine, Cue] = {}
    taken: set[int] = set()
    for _, i, j in sorted(pairs):
        if lines[i] not in found and j not in taken:
            found[lines[i]] = cues[j]
            taken.add(j)
    return found


def _edited(before: Cue | None, line: ScriptLine) -> Cue | None:
    """The cue that a line makes of another, or of nothing."""
    text = printable(line.text)
    if not text:
        return None
    if before is None:
        return Cue("", line.span, text, line.span, line.span.start_ms, Author.HUMAN, line.status or Status.APPROVED)
    same_text = text in (printable(before.text), plain(printable(before.text)))
    same_time = line.span in (before.span, replace(before.span, end_ms=last_ms(before)))
    if same_text and same_time:
        return replace(before, status=line.status or before.status)
    return replace(
        before,
        span=before.span if same_time else line.span,
        text=before.text if same_text else text,
        author=Author.HUMAN,
        status=Status.APPROVED,
    )


def _check(lines: Sequence[ScriptLine]) -> None:
    seen: dict[str, ScriptLine] = {}
    for line in lines:
        if len(line.text) > MAX_TEXT:
            raise StoreError(f"{line.where}: a text of {len(line.text)} characters is too long to speak.")
        if line.cue_id is not None and line.cue_id in seen:
            raise StoreError(
                f"cue-{line.cue_id} stands twice, at {seen[line.cue_id].where} and {line.where}: give one no id; "
                "nothing was changed."
            )
        if line.cue_id is not None:
            seen[line.cue_id] = line


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
    shown = ", ".join(f"{_times(a)} with {_times(b)}" for a, b in pairs[:3])
    return [f"{len(pairs)} times overlap and are kept as they are: {shown}; `calvin lint` lists them."]


def _times(cue: Cue) -> str:
    return f"{format_timecode(cue.span.start_ms)} - {format_timecode(cue.span.end_ms)}"


def _named(cues: Sequence[Cue]) -> str:
    return ", ".join(f"cue-{cue.id}" for cue in cues[:5]) + (" ..." if len(cues) > 5 else "")
