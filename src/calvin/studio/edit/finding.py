"""Where a text stands in the cues of a project."""

from __future__ import annotations

from dataclasses import dataclass

from calvin.core.errors import UsageError
from calvin.studio.edit.cue_changes import pattern_of, unit_of
from calvin.studio.project.store import ProjectStore

_BESIDE = 60
"""So many characters on either side are shown with a match."""


@dataclass(frozen=True)
class Match:
    """A text found in the cue `key`, from `start` to `end` in units of UTF-16, as browsers count; beside it stands
    `before` and `after`."""

    key: str
    start: int
    end: int
    before: str
    after: str


def find(store: ProjectStore, text: str, *, case: bool = False, whole_word: bool = False) -> list[Match]:
    """Every place where a text stands in the cues, in time order; an edit `replace` with the same words changes them.

    Args:
        case: capitals are told from small letters.
        whole_word: not inside a longer word.

    Raises:
        UsageError: there is no text to look for.
    """
    if not text:
        raise UsageError("Give a text to look for.")
    pattern = pattern_of(text, case, whole_word)
    found = []
    for cue in store.cues:
        for match in pattern.finditer(cue.text):
            start, end = match.span()
            units = unit_of(cue.text, start), unit_of(cue.text, end)
            beside = cue.text[max(0, start - _BESIDE) : start], cue.text[end : end + _BESIDE]
            found.append(Match(f"cue-{cue.id}", *units, *beside))
    return found
