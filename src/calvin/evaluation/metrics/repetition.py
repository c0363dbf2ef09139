"""Repetition and redundancy across a film's audio description: how much of it is said again.

Khandelwal and others, "More than a Moment: Towards Coherent Sequences of Audio Descriptions", 2025, measure both; the
windows and groups of words are ours (`media.schedule.wording`, which the schedule of what is said uses, too).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from calvin.evaluation.metrics.base import FilmMetric, FilmResult, Pairs, scenes_by_film
from calvin.evaluation.names import NameList
from calvin.media.schedule.wording import GROUP, RECENT, redundancies, repetitions

_OF: Mapping[str, tuple[Callable[[Sequence[str]], list[float]], str]] = {
    "repetition": (
        repetitions,
        f"mean share of a caption's groups of {GROUP} words that the last {RECENT} captions of its film hold",
    ),
    "redundancy": (
        redundancies,
        f"mean of the largest share of a caption's words that one of the last {RECENT} captions of its film holds",
    ),
}


@dataclass(frozen=True)
class Repetition(FilmMetric):
    """One of the two. Lower is better, but people repeat names and places too: the references' own share is in the
    setting."""

    kind: Literal["repetition", "redundancy"] = "repetition"

    @classmethod
    def redundancy(cls, device: str | None = None) -> Repetition:
        return cls("redundancy")

    def score_films(self, pairs: Pairs, films: Mapping[str, str], names: NameList | None = None) -> list[FilmResult]:
        """A value for each scene, from 0 (all of it is new) to 1."""
        shares, words = _OF[self.kind]
        values: dict[str, float] = {}
        given: list[float] = []
        for places in scenes_by_film(pairs, films).values():
            found = shares([pairs.candidates[place] for place in places])
            values.update(zip((pairs.ids[place] for place in places), found, strict=True))
            given += shares([pairs.references[place][0] for place in places])
        ordered = {key: values[key] for key in pairs.ids}
        setting = f"{words}; the first references have {100 * float(np.mean(given)):.1f}"
        return [FilmResult(self.kind, ordered, {key: films[key] for key in ordered}, setting)]
