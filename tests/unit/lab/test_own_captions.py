from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calvin.captioners.calvin import Calvin
from calvin.core.progress import silent
from calvin.core.time import Span
from calvin.data import Sample, Source
from calvin.data.features import MemoryFeatures
from calvin.lab.own_captions import read_own, write_own
from calvin.training.steps import CaptionsStep

FILMS, SCENES = 4, 3


@pytest.fixture
def source() -> Source:
    rng = np.random.default_rng(0)
    frames = {f"film{film}": rng.standard_normal((30, 24)).astype(np.float32) for film in range(FILMS)}
    samples = [
        Sample(f"{media}-{n}", "mad", media, "video", f"Ann waves {n}.", Span(n * 2000, n * 2000 + 2000), movie=media)
        for media in frames
        for n in range(SCENES)
    ]
    return Source("mad", "video", samples, MemoryFeatures(frames, fps=5.0))


STEP = CaptionsStep(starts_from="stage 2", films=3, corrected=(0, 2), context=2)


def test_films_are_described_from_what_the_model_said_before(
    source: Source, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    caption = Calvin.caption

    def note(self: Calvin, requests, **options):
        asked.extend(request.prompt.context for request in requests)
        return caption(self, requests, **options)

    monkeypatch.setattr(Calvin, "caption", note)
    write_own(STEP, tiny_model, source, tmp_path / "own", tmp_path / "work", silent)
    own = read_own(tmp_path / "own")
    assert set(own) == {"film0", "film1", "film2"}
    assert all(len(lines) == SCENES for lines in own.values())
    # Films 0 and 2 by the model alone; in film 1 a person corrects every second scene, from the first on.
    assert [line.startswith("Ann waves") for line in own["film1"]] == [True, False, True]
    assert not any(line.startswith("Ann waves") for line in own["film0"])
    assert tuple(own["film0"][:2]) in asked
    assert (own["film1"][0], own["film1"][1]) in asked


def test_what_was_captioned_before_a_stop_is_not_captioned_again(
    source: Source, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_own(STEP, tiny_model, source, tmp_path / "own", tmp_path / "work", silent)
    whole = {path.name: path.read_bytes() for path in (tmp_path / "work").iterdir()}
    for name, lines in whole.items():  # stopped in the middle of a line
        (tmp_path / "work" / name).write_bytes(lines[: len(lines) * 2 // 3])
    made: list[str] = []
    caption = Calvin.caption

    def count(self: Calvin, requests, **options):
        made.extend(request.scene.id for request in requests)
        return caption(self, requests, **options)

    monkeypatch.setattr(Calvin, "caption", count)
    write_own(STEP, tiny_model, source, tmp_path / "again", tmp_path / "work", silent)
    assert read_own(tmp_path / "again") == read_own(tmp_path / "own")
    assert 0 < len(made) < 9
