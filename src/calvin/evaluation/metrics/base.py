"""What every metric takes and gives: captions matched to references by id, and a number with its setting.

Nothing is joined silently. A prediction without references, references without a prediction, an id that occurs
twice and an empty text are counted and refused, because each of them moves a score without a trace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from calvin.core.errors import DataError, UsageError
from calvin.core.progress import Listener
from calvin.core.text_tables import counted

if TYPE_CHECKING:
    from calvin.evaluation.names import NameList

SHOWN = 3  # ids named in a message; the count says how many more there are


@dataclass(frozen=True)
class Pairs:
    """Candidates beside their references, in one order.

    `candidates[i]` is judged against every text of `references[i]`.
    """

    ids: tuple[str, ...]
    candidates: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def reference_counts(self) -> NDArray[np.int64]:
        """[N]: how many references each item has."""
        return np.array([len(texts) for texts in self.references], dtype=np.int64)


@dataclass(frozen=True)
class MetricResult:
    """One metric over one set of pairs.

    `corpus` is in the metric's own scale (fractions of 1; CIDEr in the scale of coco-caption, where 10 is the most),
    `points` is `corpus` times 100, as papers print it. `per_item` [N] follows `ids`. `setting` says how the number
    came about and belongs beside it wherever it is shown; `comparable` is false where no paper's number was made so.
    """

    name: str
    corpus: float
    per_item: NDArray[np.float64]
    ids: tuple[str, ...]
    setting: str
    comparable: bool = True

    @property
    def points(self) -> float:
        return 100.0 * self.corpus


class Metric(Protocol):
    """A way to score captions. `name` and `setting` are printed beside every number."""

    @property
    def name(self) -> str: ...

    @property
    def setting(self) -> str: ...

    def score_pairs(self, pairs: Pairs) -> MetricResult: ...


class AnyMetric:
    """What every metric can be asked before there is anything to score."""

    @classmethod
    def of(cls, device: str | None = None) -> Self:
        """With the usual settings. A metric that computes on no device ignores `device`."""
        return cls()

    def check_installed(self) -> None:
        """
        Raises:
            UsageError: something that it needs besides its packages is missing.
        """


class PairMetric(AnyMetric):
    """The part that metrics of pairs share: matching by id before scoring."""

    of_the_set: ClassVar[bool] = False
    """Whether an item's score depends on the other items, so that each film has to be scored by itself."""

    def watched_by(self, listener: Listener) -> Self:
        """The same with a listener to its progress; what takes little time has none."""
        return self

    def score(
        self, candidates: Mapping[str, str], references: Mapping[str, Sequence[str]], *, allow_empty: bool = False
    ) -> MetricResult:
        """Score `candidates` (id -> text) against `references` (id -> texts); raises DataError as `align` does."""
        return self.score_pairs(align(candidates, references, allow_empty=allow_empty))

    def score_pairs(self, pairs: Pairs) -> MetricResult:
        raise TypeError(f"{type(self).__name__} defines no score_pairs")


class NothingToScoreError(UsageError):
    """A metric that is there found nothing in these captions to score, or was told nothing that it could read."""


@dataclass(frozen=True)
class FilmResult:
    """A measure of scenes that were looked at together.

    `values` are those of scenes, windows or films, each of the film that `films` tells; the mean is the score, and
    `scale` times that is what tables show.
    """

    name: str
    values: Mapping[str, float]
    films: Mapping[str, str]
    setting: str
    comparable: bool = True
    scale: float = 100.0


class FilmMetric(AnyMetric):
    """A metric that looks at the scenes of a film together, or at less than all scenes."""

    def score_films(self, pairs: Pairs, films: Mapping[str, str], names: NameList | None = None) -> list[FilmResult]:
        """
        Args:
            pairs: in time order within each film.
            films: the film of each id.
            names: those that are known to be people's.
        """
        raise TypeError(f"{type(self).__name__} defines no score_films")


def scenes_by_film(pairs: Pairs, films: Mapping[str, str]) -> dict[str, list[int]]:
    """The places of each film's scenes among the pairs, in their order."""
    found: dict[str, list[int]] = {}
    for place, identity in enumerate(pairs.ids):
        found.setdefault(films[identity], []).append(place)
    return found


def align(
    candidates: Mapping[str, str], references: Mapping[str, Sequence[str]], *, allow_empty: bool = False
) -> Pairs:
    """Match candidates and references by id, in the order of the references.

    Raises DataError with counts where ids are missing on either side, where an item has no reference, or where a text
    is empty. `allow_empty` lets empty candidates pass (a model may say nothing; every metric gives 0 for it), never
    empty references.
    """
    problems = []
    missing = [identity for identity in references if identity not in candidates]
    unknown = [identity for identity in candidates if identity not in references]
    if missing:
        problems.append(f"{counted_ids(missing, 'reference')} without a prediction")
    if unknown:
        problems.append(f"{counted_ids(unknown, 'prediction')} without references")
    wrong = [identity for identity, texts in references.items() if isinstance(texts, str)]
    if wrong:
        problems.append(f"{counted_ids(wrong, 'reference')} given as one text and not as a list of texts")
    else:
        problems.extend(_empty(candidates, references, allow_empty))
    if problems:
        raise DataError(
            "Predictions and references do not match: " + "; ".join(problems) + ". Nothing was scored: mend the files."
        )
    if not references:
        raise DataError("There is nothing to score: both predictions and references are empty.")
    return Pairs(
        tuple(references),
        tuple(candidates[identity] for identity in references),
        tuple(map(tuple, references.values())),
    )


def collect_candidates(rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Rows of (id, caption) as a mapping; an id that occurs twice raises DataError."""
    kept = list(rows)
    repeated = [identity for identity, count in Counter(identity for identity, _ in kept).items() if count > 1]
    if repeated:
        raise DataError(
            f"{counted_ids(repeated, 'prediction')} occur more than once: keep one row for each id. Nothing was scored."
        )
    return dict(kept)


def collect_references(rows: Iterable[tuple[str, str]], *, equal: bool = False) -> dict[str, list[str]]:
    """Rows of (id, text) as id -> texts; an id may have several texts, but only with `equal` the same one twice.

    Raises:
        DataError: the same row twice.
    """
    kept = list(rows)
    repeated = [] if equal else [identity for (identity, _), count in Counter(kept).items() if count > 1]
    if repeated:
        raise DataError(f"{counted_ids(repeated, 'reference row')} occur twice: remove the copies. Nothing was scored.")
    references: dict[str, list[str]] = {}
    for identity, text in kept:
        references.setdefault(identity, []).append(text)
    return references


def package_folder(name: str) -> Path | None:
    """The folder of an installed package, found without importing it."""
    spec = find_spec(name)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _empty(candidates: Mapping[str, str], references: Mapping[str, Sequence[str]], allow_empty: bool) -> list[str]:
    problems = []
    bare = [identity for identity, texts in references.items() if not texts]
    blank = [identity for identity, texts in references.items() if any(not text.strip() for text in texts)]
    silent = [identity for identity, text in candidates.items() if not text.strip()]
    if bare:
        problems.append(f"{counted_ids(bare, 'item')} with no reference at all")
    if blank:
        problems.append(f"{counted_ids(blank, 'item')} with an empty reference")
    if silent and not allow_empty:
        problems.append(f"{counted_ids(silent, 'empty prediction')}")
    return problems


def counted_ids(ids: Sequence[str], noun: str) -> str:
    """'2 empty predictions ('a', 'b')': how many, and the first of them."""
    shown = ", ".join(repr(identity) for identity in ids[:SHOWN])
    more = ", ..." if len(ids) > SHOWN else ""
    return f"{counted(len(ids), noun)} ({shown}{more})"
