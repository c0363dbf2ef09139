"""How CALVIN's captions are searched for, and what is done to the beams: the paper's plain beam search, or with rules.

The rules change captions, so an evaluation states them beside beams and temperature (`evaluation.protocol`).
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, field_validator

from calvin.captioners.decoding_rules import GUARDED, PAPER, RULES
from calvin.core.config import FrozenConfig
from calvin.core.errors import UsageError

NUM_BEAMS = 5
_PRESETS: Mapping[str, tuple[str, ...]] = {GUARDED: tuple(RULES), PAPER: ()}


class CaptionDecoding(FrozenConfig):
    """Beams, temperature (it divides the logits that beams are scored by: Figure 8 of the paper) and rules."""

    beams: int = Field(default=NUM_BEAMS, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    rules: tuple[str, ...] = tuple(RULES)

    @field_validator("rules")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in RULES]
        if unknown:
            raise ValueError(f"there is no rule {unknown[0]!r}: choose from {', '.join(RULES)}")
        return tuple(name for name in RULES if name in value)

    @classmethod
    def named(
        cls, rules: str | None = None, beams: int | None = None, temperature: float | None = None
    ) -> CaptionDecoding | None:
        """From what a command was given; None where it was given nothing.

        Raises:
            UsageError: neither a preset nor rules.
        """
        if rules is None and beams is None and temperature is None:
            return None
        words = [word.strip().lower().replace("_", "-") for word in (rules or GUARDED).split(",")]
        named = _PRESETS[words[0]] if len(words) == 1 and words[0] in _PRESETS else tuple(filter(None, words))
        unknown = [word for word in named if word not in RULES]
        if unknown:
            raise UsageError(
                f"Decoding is {GUARDED}, {PAPER} or rules with commas ({', '.join(RULES)}), not {unknown[0]!r}."
            )
        return cls(beams=beams or NUM_BEAMS, temperature=1.0 if temperature is None else temperature, rules=named)

    def has(self, rule: str) -> bool:
        """Whether a rule of `RULES` is applied."""
        return rule in self.rules

    @property
    def words(self) -> str:
        """The rules, for the protocol card."""
        return "; ".join(RULES[name] for name in self.rules) or "plain beam search"

    @property
    def label(self) -> str:
        """What differs from the usual, for names of folders: "paper-b3-t0.7"; empty where nothing does."""
        given = next((name for name, rules in _PRESETS.items() if rules == self.rules), "-".join(self.rules))
        parts = [given if given != GUARDED else ""]
        parts += [f"b{self.beams}" if self.beams != NUM_BEAMS else ""]
        parts += [f"t{self.temperature:g}" if self.temperature != 1.0 else ""]
        return "-".join(filter(None, parts))
