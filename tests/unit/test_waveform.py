"""The picture of the ducking is drawn by a command from what `calvin demo` leaves."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calvin.core.files import file_sha256
from calvin.core.time import Span
from calvin.core.types import Cue
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound.film_mix import mix_project
from calvin.studio.sound.voiced_cues import VoiceSettings, voice_project

SCRIPT = Path(__file__).parents[2] / "docs" / "make_waveform.py"


def test_a_waveform_of_a_mixed_project(tmp_path: Path, make_film: Callable[..., Path]) -> None:
    draw = runpy.run_path(str(SCRIPT))
    film, folder = make_film(tmp_path / "film.mp4"), tmp_path / "p"
    with ProjectStore(folder, create=True) as store:
        store.bind_film(FilmRow("Film", str(film), file_sha256(film), 9000, {}))
        store.add_cue(Cue("", Span(3000, 6000), "Mara opens the door.", Span(3000, 6000), 4000))
    with pytest.raises(SystemExit, match="no mixed film"):
        draw["main"]([str(folder), "--output", str(tmp_path / "x.png")])
    voice_project(folder, ToneVoice(), VoiceSettings(rate=300))
    mix_project(folder, folder / "film.ad.mkv")
    draw["main"]([str(folder), "--output", str(tmp_path / "x.png"), "--seconds", "7"])
    picture = np.asarray(Image.open(tmp_path / "x.png").convert("RGB")).astype(int)
    yellow = (picture[..., 2] < 200) & (picture[..., 0] > 230)
    assert yellow.mean() > 0.01
    assert not yellow[: len(picture) // 3 - 20].any()  # the film above is without description
