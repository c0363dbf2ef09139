"""What an adapter does to captions of scenes it has not seen: diversity, length, names, form; before and after."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from calvin.captioners import CaptionAnswer, Captioner, CaptionRequest

Named = Callable[[str], Collection[str]]
"""The names in a text."""


@dataclass(frozen=True, slots=True)
class CaptionFacts:
    """Facts about a set of captions. All are shares of it, except `scenes` and `words`, the mean length.

    `wrong_names`: somebody is named who may not be named there. `right_names`: exactly those are named who are there
    (None: it is not known who is). `unparsed`: the answer does not have the form of Figure 6 (None: none should).
    """

    scenes: int
    distinct: float
    words: float
    wrong_names: float
    right_names: float | None = None
    unparsed: float | None = None

    @classmethod
    def of(
        cls, answers: Sequence[CaptionAnswer], named: Named, allowed: Sequence[Collection[str]], exact: bool = False
    ) -> CaptionFacts:
        """`allowed`: the people who may be named in each caption; with `exact` all of them have to be."""
        texts, count = [answer.text for answer in answers], max(len(answers), 1)
        found = [set(named(text)) for text in texts]
        pairs = list(zip(found, map(set, allowed), strict=True))
        formed = [answer.parsed for answer in answers if answer.parsed is not None]
        return cls(
            len(answers),
            len(set(texts)) / count,
            sum(len(text.split()) for text in texts) / count,
            sum(not names <= there for names, there in pairs) / count,
            sum(names == there for names, there in pairs) / count if exact else None,
            formed.count(False) / len(formed) if formed else None,
        )


@dataclass(frozen=True, slots=True)
class Effect:
    """Captions before and after adapting, on the scenes that `about` describes."""

    about: str
    before: CaptionFacts
    after: CaptionFacts

    def lines(self) -> list[str]:
        """The figures before and after, each line understood alone."""
        rows = [f"On {self.about} ({self.before.scenes}):"]
        for label, field in _ROWS:
            values = {"before": getattr(self.before, field), "after": getattr(self.after, field)}
            shown = [f"{_shown(field, value)} {when}" for when, value in values.items() if value is not None]
            if shown:
                rows.append(f"  {label}: {', '.join(shown)}")
        return rows

    def warnings(self) -> list[str]:
        """Where adapting hurts (the paper's section 5.3 saw fewer and shorter captions, and wrong names)."""
        before, after, found = self.before, self.after, []
        if after.distinct < before.distinct - 0.1:
            found.append(
                f"captions are less diverse ({before.distinct:.0%} distinct before, {after.distinct:.0%} after)"
            )
        if after.words < 0.8 * before.words:
            found.append(f"captions are shorter ({before.words:.1f} words before, {after.words:.1f} after)")
        if after.wrong_names > before.wrong_names + 0.02:
            wrong = f"{before.wrong_names:.0%} before, {after.wrong_names:.0%} after"
            found.append(f"more captions name wrong people ({wrong})")
        if (after.unparsed or 0) > 0.1:
            found.append(f"{after.unparsed:.0%} of the answers do not keep to the form they were trained in")
        return [f"On {self.about}, {text}: look at them before you use the adapter." for text in found]


_ROWS = (
    ("distinct captions", "distinct"),
    ("words per caption", "words"),
    ("names right", "right_names"),
    ("a wrong name", "wrong_names"),
    ("form not kept", "unparsed"),
)


def _shown(field: str, value: float) -> str:
    return f"{value:.1f}" if field == "words" else f"{value:.0%}"


def caption_all(captioner: Captioner, requests: Sequence[CaptionRequest], batch: int = 16) -> list[CaptionAnswer]:
    """An answer for each request, in batches that fit any captioner."""
    answers: list[CaptionAnswer] = []
    for start in range(0, len(requests), batch):
        answers += captioner.caption(requests[start : start + batch])
    return answers
