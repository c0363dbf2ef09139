"""Which cue a line of a script is about: by its id, its times, its text, or the time that they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from calvin.core.types import Cue, CueKind
from calvin.studio.script.script_lines import ScriptLine
from calvin.studio.script.script_tables import HOUR_MS
from calvin.studio.script.text_formats import plain
from calvin.studio.script.writers import last_ms, printable


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

    free_lines, free_cues = rest()
    found.update(_alike(free_lines, free_cues, _by_times))
    # Text that was lost on the way must not cost a cue: without words, only an id or the same times mean one.
    lines = [line for line in lines if printable(line.text)]
    free_lines, free_cues = rest()
    found.update(_alike(free_lines, free_cues, _by_text))
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


def _may_be(line: ScriptLine, cue: Cue) -> bool:
    """Whether a line may be another wording of a cue: what is said of the picture is no new title."""
    if cue.kind in (CueKind.PICTURE, line.kind):
        return True
    words = [set(plain(printable(each.text)).casefold().split()) for each in (line, cue)]
    return 2 * len(words[0] & words[1]) >= min(map(len, words))


def _by_overlap(lines: Sequence[ScriptLine], cues: Sequence[Cue]) -> dict[ScriptLine, Cue]:
    """Pairs that share at least half of the shorter one's time, most shared first."""
    pairs = []
    first = 0  # both are in time order: cues that end before a line begins are out of reach of all later lines
    for i, line in enumerate(lines):
        while first < len(cues) and cues[first].span.end_ms <= line.span.start_ms:
            first += 1
        for j in range(first, len(cues)):
            if cues[j].span.start_ms >= line.span.end_ms:
                break
            shared = line.span.overlap_ms(cues[j].span)
            if 2 * shared >= min(line.span.duration_ms, cues[j].span.duration_ms) > 0 and _may_be(line, cues[j]):
                pairs.append((-shared, i, j))
    found: dict[ScriptLine, Cue] = {}
    taken: set[int] = set()
    # Greedily, so that a line that only touches a cue does not take it from the one it was moved for.
    for _, i, j in sorted(pairs):
        if lines[i] not in found and j not in taken:
            found[lines[i]] = cues[j]
            taken.add(j)
    return found


def same_times(cue: Cue, line: ScriptLine) -> bool:
    """Whether a line has the times of a cue, as finely as they are written; spreadsheets leave out the hours."""
    hours = round((cue.span.start_ms - line.span.start_ms) / HOUR_MS) * HOUR_MS if line.no_hours else 0
    start, ends = line.span.start_ms + hours, (cue.span.end_ms, last_ms(cue))
    last = line.span.end_ms + hours
    return abs(start - cue.span.start_ms) < line.within_ms and any(abs(last - end) < line.within_ms for end in ends)
