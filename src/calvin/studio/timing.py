"""How long a line of description takes to say, before a voice has said it."""

from __future__ import annotations

from calvin.core.time import Span

WORDS_PER_MINUTE = 160


def spoken_ms(text: str) -> int:
    """Milliseconds to say `text` at 160 words a minute."""
    return len(text.split()) * 60_000 // WORDS_PER_MINUTE


def spoken_span(gap: Span, text: str) -> Span:
    """The part of a gap that saying `text` takes; all of it where that is less.

    A description starts with the visual or just before it, never after (W3C WAI), hence at the start of its gap.
    """
    needed_ms = max(spoken_ms(text), 750)
    return Span(gap.start_ms, min(gap.end_ms, gap.start_ms + needed_ms))
