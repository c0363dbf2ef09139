"""What the words of an English description should not do: each check gives what it found, or nothing.

The rules are those of the W3C's WAI media guide, the American Council of the Blind, Netflix's style guide and KMCC;
the lists are ours. A list knows no sentence, so all of them warn and none refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|‘[^’]*’")
_PAST = re.compile(
    r"\b(was|were|had|did|went|took|gave|came|ran|began|threw|knew|wore|drove|ate|spoke|wrote|said|told|shook|stole|"
    r"rode|chose|froze|flew|grew|drew|woke|(?:he|she|they|it|who) \w+ed|will|shall|would)\b",
    re.IGNORECASE,
)
_PASSIVE = re.compile(r"\b(?:is|are|being|gets?) (?:\w+ly )?(\w+(?:ed|en|wn|ung|ught|ade|old|eft)) by\b", re.IGNORECASE)
_PERSON = re.compile(r"\b(I|I'm|we|we're|us|our|my|me|you|you're|your)\b", re.IGNORECASE)
_CAMERA = re.compile(
    r"\b((?:we|you|one) (?:can )?(?:see|sees|watch|hear)|camera|close-?up|zooms?|zooming|pans?|panning|tracking shot|"
    r"shot of|wide shot|cuts? to|fades? (?:in|out|to)|dissolves? to|frame|on ?screen|scene|footage|montage|"
    r"the (?:image|video|picture|clip) shows?)\b",
    re.IGNORECASE,
)
_INFERRED = re.compile(
    r"\b(furious(?:ly)?|angr(?:y|ily)|sad(?:ly)?|happ(?:y|ily)|jealous(?:ly)?|guilt(?:y|ily)|nervous(?:ly)?|"
    r"anxious(?:ly)?|desperate(?:ly)?|lovingly|threatening(?:ly)?|mysterious(?:ly)?|romantic(?:ally)?|beautiful(?:ly)?|"
    r"ugly|scary|obvious(?:ly)?|clearly|apparently|seem(?:s|ingly)?|appears? to|probably|perhaps|maybe|"
    r"thinks?|feels?|wants?|realizes?|realises?|remembers?|decides?|hopes?|wonders?|knows?)\b",
    re.IGNORECASE,
)


def _finder(pattern: re.Pattern[str], but: frozenset[str] = frozenset()) -> Callable[[str], str | None]:
    def find(text: str) -> str | None:
        unquoted = _QUOTED.sub(" ", text)
        return next((m[0] for m in pattern.finditer(unquoted) if m[0].lower() not in but), None)

    return find


past_tense = _finder(_PAST)
passive_voice = _finder(_PASSIVE)
wrong_person = _finder(_PERSON)
camera_term = _finder(_CAMERA)
inference = _finder(_INFERRED)
