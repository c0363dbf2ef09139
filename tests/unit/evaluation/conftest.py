"""A small set of two films, and a captioner that says what it was asked, so that a caption tells how it came about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest
from calvin.core.errors import DataError
from calvin.core.time import Span
from calvin.data import MemoryFeatures, Sample
from calvin.evaluation.evaluate import EvaluationJob
from calvin.evaluation.names import from_names
from calvin.evaluation.scenes import Context, Pictures


class Parrot:
    """Says the number in the frames, then the context and the names it was told; may stop after some captions."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.asked: list[CaptionRequest] = []
        self.stop_after = stop_after

    info = CaptionerInfo("parrot", "f1", details={"beams": "1"})
    needs = frozenset({"features"})

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        if self.stop_after is not None and len(self.asked) >= self.stop_after:
            raise DataError("The parrot is tired.")
        self.asked += requests
        return [CaptionAnswer(self.say(request), 0.0) for request in requests]

    def say(self, request: CaptionRequest) -> str:
        assert request.scene.image_embeds is not None
        seen = int(request.scene.image_embeds[0, 0])
        return " ".join([f"s{seen}", *request.prompt.context, *request.prompt.entities])


def make_samples() -> list[Sample]:
    """Two films of five scenes of a second each; film b is given out of time order."""
    texts = ["Ann waves.", "Then Bob bows.", "Ann sits by Bob.", "He walks off.", "The door shuts behind Cy."]
    samples = []
    for film, order in (("a", range(5)), ("b", (1, 0, 2, 3, 4))):
        for at in order:
            text = texts[at] if film == "a" else texts[at].replace("Ann", "Dora")
            span = Span(at * 1000, at * 1000 + 1000)
            samples.append(Sample(f"{film}/{at}", "mad_csv", film, "video", text, span, references=(text,), movie=film))
    return samples


def make_features() -> MemoryFeatures:
    """One vector a second, which holds its number; film b counts from 10."""
    return MemoryFeatures(
        {film: np.arange(5)[:, None] + np.full((5, 3), start) for film, start in (("a", 0), ("b", 10))}, 1.0
    )


@pytest.fixture
def make_job() -> Callable[..., EvaluationJob]:
    def make(context: str = "none", own: bool = False, **options: object) -> EvaluationJob:
        from calvin.evaluation.scenes import evaluated

        chosen = Context.parse(context, "own" if own else "references")
        names = from_names(["Ann", "Bob", "Cy", "Dora"], "test")
        pictures = Pictures(make_features())
        values = {"split": "test", "facts": {"beams": "1"}, "names": names, **options}
        return EvaluationJob(samples=evaluated(make_samples()), context=chosen, pictures=pictures, **values)  # type: ignore[arg-type]

    return make


@pytest.fixture
def samples() -> list[Sample]:
    return make_samples()


@pytest.fixture
def parrot() -> type[Parrot]:
    return Parrot


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results"
