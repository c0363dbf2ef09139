"""CRITIC, co-referencing in text for identifying characters (Han and others, "AutoAD III: The Prequel", 2024).

Who is meant by each caption, by name or by a pronoun, against who is meant by its reference: the intersection of the
two sets of people over their union, averaged over the references that mean anybody. Who a pronoun stands for is found
over the whole film, behind a line that names the cast, by fastcoref. `NameIoU` is the same measure with names alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

from calvin.core.errors import UsageError
from calvin.evaluation.metrics.base import FilmMetric, FilmResult, NothingToScoreError, Pairs, scenes_by_film
from calvin.evaluation.names import NameList

Mention = tuple[int, int]
"""Start and end of a piece of text, in characters."""

_NO_FASTCOREF = (
    "CRITIC needs the package fastcoref and its model, which are not installed: `pip install fastcoref`, or take the "
    "metric name-iou, which knows no pronouns."
)
_NO_NAMES = "{} compares who is named, and no name is known: give --characters, or captions with capital letters."


class Coreference(Protocol):
    """Finds which pieces of a text mean the same person or thing."""

    @property
    def setting(self) -> str: ...

    def clusters(self, text: str) -> list[list[Mention]]: ...


class FastCoref:
    """The package fastcoref with its model F-coref, which the authors of CRITIC use."""

    setting = "coreference by fastcoref"

    def __init__(self, device: str = "cpu") -> None:
        self._model: Any = importlib.import_module("fastcoref").FCoref(device=device, enable_progress_bar=False)

    def clusters(self, text: str) -> list[list[Mention]]:
        found = self._model.predict(texts=[text])[0].get_clusters(as_strings=False)
        return [[(int(start), int(end)) for start, end in cluster] for cluster in found]


@dataclass(frozen=True)
class NameIoU(FilmMetric):
    """Identity IoU by the names that captions hold, without pronouns. No published number was made so."""

    def score_films(self, pairs: Pairs, films: Mapping[str, str], names: NameList | None = None) -> list[FilmResult]:
        """A value from 0 to 1 for each scene whose references name anybody.

        Raises:
            NothingToScoreError: no name is known, or no reference holds one.
        """
        if names is None or not names.words:
            raise NothingToScoreError(_NO_NAMES.format("name-iou"))
        values = {}
        for key, text, texts in zip(pairs.ids, pairs.candidates, pairs.references, strict=True):
            if given := {name for one in texts for name in names.found(one)}:
                values[key] = identity_iou(given, names.found(text))
        setting = f"identity IoU by names alone over {len(values)} scenes that name anybody; names from {names.source}"
        return [_result("name IoU", values, films, setting, comparable=False)]


@dataclass(frozen=True)
class Critic(FilmMetric):
    """CRITIC by a coreference of the caller's; None: fastcoref, where it is installed."""

    coreference: Coreference | None = None
    device: str | None = None

    @classmethod
    def of(cls, device: str | None = None) -> Critic:
        return cls(device=device)

    def check_installed(self) -> None:
        if self.coreference is None and find_spec("fastcoref") is None:
            raise UsageError(_NO_FASTCOREF)

    def score_films(self, pairs: Pairs, films: Mapping[str, str], names: NameList | None = None) -> list[FilmResult]:
        """A value from 0 to 1 for each scene whose (first) reference means anybody of its film's cast.

        The cast of a film are the names known that its references or captions hold.

        Raises:
            UsageError: fastcoref is not installed.
            NothingToScoreError: no name is known, or no reference means anybody.
        """
        if names is None or not names.words:
            raise NothingToScoreError(_NO_NAMES.format("CRITIC"))
        self.check_installed()
        coreference = self.coreference or FastCoref(self.device or "cpu")
        values: dict[str, float] = {}
        for places in scenes_by_film(pairs, films).values():
            given = [pairs.references[place][0] for place in places]
            said = [pairs.candidates[place] for place in places]
            cast = list(dict.fromkeys(name for text in (*given, *said) for name in names.found(text)))
            meant = people_meant(given, cast, coreference)
            told = people_meant(said, cast, coreference)
            values |= {
                pairs.ids[place]: identity_iou(right, own)
                for place, right, own in zip(places, meant, told, strict=True)
                if right
            }
        setting = (
            f"identity IoU over {len(values)} scenes whose reference means anybody; {coreference.setting}; names from "
            f"{names.source}"
        )
        return [_result("CRITIC", values, films, setting)]


def _result(name: str, values: dict[str, float], films: Mapping[str, str], setting: str, comparable: bool = True
            ) -> FilmResult:  # fmt: skip
    if not values:
        raise NothingToScoreError(f"{name} has nothing to judge: no reference names anybody.")
    return FilmResult(name, values, {key: films[key] for key in values}, setting, comparable)


def identity_iou(first: Iterable[str], second: Iterable[str]) -> float:
    """People in both over people in either; 0 where there are none."""
    left, right = set(first), set(second)
    return len(left & right) / len(left | right) if left | right else 0.0


def people_meant(texts: Sequence[str], cast: Sequence[str], coreference: Coreference) -> list[list[str]]:
    """Who of a cast each of a film's texts means, in time order.

    A group of mentions is a person's where exactly one of the cast is among its words; a mention counts for the text
    that it lies in as a whole. Both as in the authors' code.
    """
    if not cast:
        return [[] for _ in texts]
    listed = f"{', '.join(cast[:-1])} and {cast[-1]}." if len(cast) > 1 else f"{cast[0]}."
    owner = [-1] * len(listed)
    whole = listed
    for number, text in enumerate(texts):
        whole += f" {text}"
        owner += [-1] + [number] * len(text)
    found: list[list[str]] = [[] for _ in texts]
    for cluster in coreference.clusters(whole):
        people = {whole[start:end] for start, end in cluster} & set(cast)
        if len(people) != 1:
            continue
        [person] = people
        for start, end in cluster:
            held = set(owner[start:end])
            if len(held) == 1 and (number := held.pop()) >= 0 and person not in found[number]:
                found[number].append(person)
    return found
