"""The rules by which captions are searched for, by name; `calvin evaluate --help` lists them and loads nothing else."""

from __future__ import annotations

from collections.abc import Mapping

RULES: Mapping[str, str] = {
    "no-repeats": "no four tokens twice",
    "other-beam": "another beam where the best loops or repeats the previous caption",
    "cut-loops": "loops cut",
    "tidy-start": "stray marks cut off the start, which gets its capital",
}
"""Name of each rule, and what it does, as protocol cards say it."""
GUARDED, PAPER = "guarded", "paper"
DECODING_HELP = f"{GUARDED} (all rules), {PAPER} (plain beam search), or rules with commas: {', '.join(RULES)}."
